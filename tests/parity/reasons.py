"""Why some of Twisted's tests do not pass in the world."""

_FORK = (
    "Their child forks without executing another program: a world has one interpreter, and what it holds cannot be "
    "there twice."
)
_TERMINAL = "There are no terminals in the world."
_MODULE = "They import a module that they have just written: modules are imported from the real machine's files."

REASONS = {
    "test_process PTYProcessTestsBuilder.*": _TERMINAL,
    "test_process ProcessTestsBuilder.test_processE*ed": _FORK,
    "test_endpoints *FromPlugin": _MODULE,
    "test_endpoints ClientStringTests.test_stringParserWithReactor": _MODULE,
}
"""By patterns of a module and a test."""

LEFT_OUT = {
    "`test_inotify`": "inotify is not modelled: Twisted asks the C library for it, which answers for the real machine.",
    "`test_kqueuereactor`, `test_gireactor`, `test_glibbase`, `test_cfreactor`, `test_iocp`, `test_win32events`, "
    "`test_win32serialport`, `test_serialport`": "for systems and libraries that a world does not have.",
    "the others of `twisted.internet.test`": "they ask nothing of the system, and drive no reactor.",
}
