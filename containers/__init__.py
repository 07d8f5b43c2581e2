"""Builds the images, runs the grid in containers, breaks it, and checks it from outside: ``scripts/container-test``.

With a Docker engine it is Docker that builds and runs. Without one it is podman, as root on Debian, which needs no
daemon and no registry: a minimal Debian stands in for the base image of the Dockerfile. One thing is then not seen:
podman-compose does not wait for ``service_healthy``, so services are started here one after the other.

=============  =======================================================================================================
`settings`     what the environment asks for
`running`      programs with a deadline, which end with this one
`checks`       a line for each check
`overrides`    what is added to the compose files
`engine`       Docker, or podman in its place: how containers are built, started, asked
`podman`       what podman needs that Docker would have brought along
`home`         the checks of ``docker-compose.yml``
`platform`     the checks of ``antithesis/docker-compose.yaml``, and of the test commands in it
=============  =======================================================================================================

All of it needs nothing but Python's standard library: it is run where no environment has been made yet.
"""
