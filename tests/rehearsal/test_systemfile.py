"""What a system file may say, and what is said of one that says something else."""

import sys
from pathlib import Path

import pytest

from glitchgrid.lab.composer.templates import Place, Prefix, names_in, read_template
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.rehearsal.systemfile import HARSH, SystemFile, SystemFileInvalid, Words, read_system, replaced
from glitchgrid.simulation.random_stream import RandomStream

ONE = """
[machines.db]
program = "server --dir {disk} --level {level}"
keeps = true

[machines.n]
count = 2
program = ["node", "--at", "{address}", "a b"]
ready = "tcp://{address}:80"

[settings]
level = "high"
"""


def system(directory: Path, text: str, **settings: str) -> SystemFile:
    path = directory / "system.toml"
    path.write_text(text, encoding="utf-8")
    return read_system(path, settings)


def test_what_it_says(tmp_path: Path) -> None:
    found = system(tmp_path, ONE, level="low")
    assert [name for name, _ in found.names] == ["db", "n1", "n2"]
    assert found.machines["db"].program == ("server", "--dir", "{disk}", "--level", "{level}")
    assert found.machines["n"].program == ("node", "--at", "{address}", "a b")
    layout = found.layout()
    assert (layout.servers, layout.keepers) == (("db", "n1", "n2"), ("db",))
    assert found.templates == [Place(tmp_path.resolve() / "templates")]
    words = found.words("n1", "10.77.0.2", Path("/d"))
    assert replaced("{name} {address} {disk} {here} {level}", words, "") == f"n1 10.77.0.2 /d {tmp_path.resolve()} low"
    assert replaced("{python}", words, "") == sys.executable
    links = {layout.draw_link(RandomStream(f"{seed}")) for seed in range(200)}
    assert ("clients", "db") in links
    assert len(links) == 12, "each of four with each other one"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = ", "is no TOML"),
        ("", "there is no 'machines'"),
        ("[machines]", "there are no machines"),
        ("[machines.a]", "there is no 'program'"),
        ('[machines.a]\nprogram = ""', "machines.a has an empty program"),
        ("[machines.a]\nprogram = 7", "7 is neither a command line nor a list of words"),
        ('[machines.a]\nprogram = "x"\ncount = 100', "no whole number from 1 to 99"),
        ('[machines.a]\nprogram = "x"\nmemory_mib = 1.5', "1.5 is no whole number"),
        ('[machines.a]\nprogram = "x"\nmemory_mib = -1', "memory_mib is -1, and no whole number from 1"),
        ('[machines.a]\nprogram = "x"\nprocessors = 0.001', "processors is 0.001, and no number from 0.01 to 1024"),
        ('[machines.a]\nprogram = "x"\nprocessors = "2"', "processors is '2', and no number"),
        ('[machines.a]\nprogram = "x"\nkeeps = 1', "1 is no true or false"),
        ('[machines.a]\nprogram = "x"\nready = "80"', "neither tcp://HOST:PORT nor http://HOST:PORT/PATH"),
        ('[machines.a]\nprogram = "x {nothing}"', "{nothing} stands for nothing; there is name, address, disk"),
        ('[machines.A_1]\nprogram = "x"', "cannot be the name of a machine"),
        ('[machines.clients]\nprogram = "x"', "there are two machines 'clients'"),
        ('[machines.a1]\nprogram = "x"\n[machines.a]\ncount = 1\nprogram = "x"', "there are two machines 'a1'"),
        ('history = "poem"\n[machines.a]\nprogram = "x"', "history is 'poem', and none of cas-register"),
        ('disk = "soft"\n[machines.a]\nprogram = "x"', "neither 'ordinary' nor 'harsh'"),
        (
            'faults = ["rain"]\n[machines.a]\nprogram = "x"',
            "faults has 'rain', and there is no such kind; there is kill",
        ),
        ('here = "/"\n[machines.a]\nprogram = "x"', "there is no field 'here'"),
        ('[machines.a]\nprogram = "x"\nprogramme = "y"', "there is no field 'programme'"),
        ('[machines.a]\nprogram = "x"\nenvironment = {A = 1}', "1 is no text"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CannotRun) as refused:
        system(tmp_path, text)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "system.toml"))
    assert "\n" not in str(refused.value)


def test_all_that_is_wrong_is_said_a_line_each(tmp_path: Path) -> None:
    text = '[machines.a]\nprogram = "x"\nkeeps = 1\n[machines.b]\ncount = 100\n[commands]\ntemplates = 7'
    with pytest.raises(SystemFileInvalid) as refused:
        system(tmp_path, text)
    assert len(refused.value.texts) == 3
    assert all(each.startswith(f"{tmp_path}/system.toml: ") for each in refused.value.texts)
    text = '[machines.A_1]\nprogram = "{x}"\n[machines.b]\ncount = 2\nprogram = "{y}"\n[machines.c]\nprogram = ""'
    with pytest.raises(SystemFileInvalid) as refused:
        system(tmp_path, text, depth="2")
    found = "\n".join(refused.value.texts)
    for said in ("no setting 'depth'", "'A_1' cannot be", "A_1: {x} stands", "b1: {y}", "b2: {y}", "c has an empty"):
        assert said in found
    assert len(refused.value.texts) == 6


def test_files_and_settings_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="No such file"):
        read_system(tmp_path / "none.toml", {})
    with pytest.raises(CannotRun, match="has no setting 'depth'; there is level"):
        system(tmp_path, ONE, depth="2")


def test_the_examples_can_be_read() -> None:
    examples = Path(__file__).resolve().parents[2] / "examples"
    found = {path.parent.name: read_system(path, {}) for path in examples.glob("*/system.toml")}
    assert set(found) == {"etcd", "grid", "postgresql", "redis", "scrapyd"}
    assert found["grid"].disk == HARSH
    assert all(place.directory.is_dir() for each in found.values() for place in each.templates)
    for directory in examples.glob("*/templates"):
        for name in names_in(directory):
            assert read_template(directory, name).with_prefix(Prefix.PARALLEL)
    assert isinstance(found["grid"].words("a", "b", Path("/")), Words)
