"""What a client is told where a request of its, or the answer, was lost, or took too long."""

from twisted.internet import defer
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.web.client import ResponseFailed

LOST = (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    ResponseFailed,
    defer.CancelledError,
    defer.TimeoutError,
)
