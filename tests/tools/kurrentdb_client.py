"""The Python client of KurrentDB against a gateway: URL of an admin, URL of a viewer, address, file of its authority.

Over TLS, since this client sends no credentials without.

First as its users use it, then with messages written by hand, for what no stock client sends. Prints "as documented", or
fails at the line that is not.
"""

import sys
import threading
import uuid

import grpc
from google.protobuf import duration_pb2, empty_pb2, timestamp_pb2
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState, events, exceptions
from kurrentdbclient.protos.v1 import (
    gossip_pb2_grpc,
    shared_pb2,
    streams_pb2,
    streams_pb2_grpc,
)

PATIENCE = 30


def confirmed(n, metadata=b""):
    return NewEvent(type="booking.confirmed", data=b"{}", metadata=metadata, id=uuid.UUID(int=n))


def ids(recorded):
    return [event.id.int for event in recorded]


def refused(kind, call, *said):
    try:
        call()
    except kind as error:
        for part in said:
            assert part in str(error), (part, str(error))
        return error
    raise AssertionError(f"{call} was not refused")


def appends(client):
    stream = "booking-api.py"

    def append(state, *numbers):
        return client.append_to_stream(stream, current_version=state, events=[confirmed(n) for n in numbers])

    wrong = exceptions.WrongCurrentVersionError
    refused(wrong, lambda: append(StreamState.EXISTS, 1))
    refused(wrong, lambda: append(0, 1))
    assert append(StreamState.NO_STREAM, 1, 2) == 1
    assert append(1, 3) == 2
    assert append(StreamState.EXISTS, 4) == 3
    assert append(StreamState.ANY, 5) == 4
    error = refused(wrong, lambda: append(StreamState.NO_STREAM, 6))
    assert error.actual_version == 4, error
    error = refused(wrong, lambda: append(2, 6))
    assert error.actual_version == 4, error
    # Again what was there already: the first answer.
    assert append(StreamState.NO_STREAM, 1, 2) == 1
    assert append(1, 3) == 2
    # One event on its own goes another way.
    assert client.append_event(stream, current_version=4, event=confirmed(6)) == 5
    assert client.get_current_version(stream) == 5
    assert client.get_current_version("booking-api.none") is StreamState.NO_STREAM
    unknown = NewEvent(type="booking.unheard_of", data=b"{}")
    refused(exceptions.KurrentDBClientError, lambda: client.append_event(stream, current_version=5, event=unknown))
    for call in (client.delete_stream, client.tombstone_stream):
        refused(exceptions.KurrentDBClientError, lambda: call(stream, current_version=5), "never deleted")
    refused(exceptions.NotFoundError, lambda: client.get_stream("booking-api.none"))
    metadata, version = client.get_stream_metadata(stream)
    assert (metadata, version) == ({}, StreamState.NO_STREAM)


def reads(client):
    stream = "booking-api.py"
    assert ids(client.get_stream(stream)) == [1, 2, 3, 4, 5, 6]
    assert ids(client.get_stream(stream, backwards=True, limit=2)) == [6, 5]
    assert ids(client.get_stream(stream, stream_position=2, limit=2)) == [3, 4]
    assert ids(client.get_stream(stream, stream_position=2, backwards=True)) == [3, 2, 1]
    event = client.get_stream(stream)[0]
    assert (event.stream_name, event.stream_position, event.commit_position) == (stream, 0, 0), event
    assert (event.type, event.data, event.content_type) == ("booking.confirmed", b"{}", "application/json"), event
    assert event.recorded_at is not None
    # Without being asked this client leaves out what begins with $, by an expression that looks ahead.
    assert ids(client.read_all()) == [1, 2, 3, 4, 5, 6]
    assert ids(client.read_all(backwards=True, limit=2)) == [6, 5]
    assert ids(client.read_all(commit_position=4)) == [5, 6]
    client.append_to_stream("booking-x.py", current_version=StreamState.ANY, events=[confirmed(n) for n in (20, 21)])
    assert ids(client.read_all(filter_include=["booking-x[.].*"], filter_by_stream_name=True)) == [20, 21]
    assert ids(client.read_all(filter_include=["booking-x."], filter_by_stream_name=True, filter_by_prefix=True)) == [20, 21]
    assert ids(client.read_all(filter_exclude=["booking-api.*"], filter_by_stream_name=True, backwards=True)) == [21, 20]
    assert ids(client.read_all(filter_include=["link[.].*"])) == []
    assert client.get_commit_position() == 7


def subscriptions(client):
    whole = client.subscribe_to_all(include_caught_up=True)
    assert ids(next(whole) for _ in range(8)) == [1, 2, 3, 4, 5, 6, 20, 21]
    caught_up = next(whole)
    assert isinstance(caught_up, events.CaughtUp) and caught_up.commit_position == 7, caught_up
    stream = client.subscribe_to_stream("booking-api.live")
    # Reads what is there, and then waits: told apart by who comes first.
    threading.Thread(target=lambda: client.append_event("booking-api.live", current_version=StreamState.NO_STREAM, event=confirmed(30))).start()
    assert next(whole).id.int == 30
    assert next(stream).id.int == 30
    whole.stop()
    stream.stop()
    filtered = client.subscribe_to_all(
        filter_include=["booking-x[.].*"],
        filter_by_stream_name=True,
        include_checkpoints=True,
        window_size=3,
        checkpoint_interval_multiplier=1,
    )
    told = [next(filtered) for _ in range(5)]
    words = [("checkpoint", e.commit_position) if isinstance(e, events.Checkpoint) else e.id.int for e in told]
    assert words == [("checkpoint", 2), ("checkpoint", 5), 20, 21, ("checkpoint", 8)], words
    filtered.stop()


def credentials(viewer):
    refused(exceptions.AccessDeniedError, lambda: viewer.get_stream("booking-api.py"))
    refused(
        exceptions.AccessDeniedError,
        lambda: viewer.append_event("booking-api.py", current_version=StreamState.ANY, event=confirmed(9)),
    )


def by_hand(address, secret, authority):
    import base64

    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(authority)) as channel:
        members = gossip_pb2_grpc.GossipStub(channel).Read(shared_pb2.Empty()).members
        port = int(address.rsplit(":", 1)[1])
        assert (members[0].http_end_point.address, members[0].http_end_point.port) == ("127.0.0.1", port), members
        assert len(members) == 1 and members[0].is_alive
        stub = streams_pb2_grpc.StreamsStub(channel)
        for header in (f"Basic {basic}", f"Bearer {secret}"):
            metadata = [("authorization", header)]
            numbers(stub, metadata)
        pieces(stub, metadata)
        deadlines(stub, metadata)
        broken(stub, metadata)
        for header in ("Bearer sl_wrong", "Digest x", ""):
            call = stub.Read(read_request(), metadata=[("authorization", header)], timeout=PATIENCE)
            error = refused(grpc.RpcError, lambda: list(call))
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error


def read_request():
    options = streams_pb2.ReadReq.Options(count=1)
    options.stream.stream_identifier.stream_name = b"booking-api.py"
    options.stream.start.SetInParent()
    options.no_filter.SetInParent()
    options.uuid_option.structured.SetInParent()
    return streams_pb2.ReadReq(options=options)


def numbers(stub, metadata):
    """An id as two signed numbers, most significant first."""
    answers = list(stub.Read(read_request(), metadata=metadata, timeout=PATIENCE))
    event = answers[0].event.event
    assert (event.id.structured.most_significant_bits, event.id.structured.least_significant_bits) == (0, 1)
    # Nobody asked for the end of the stream, so nobody is told.
    assert len(answers) == 1, answers


def piece(correlation, numbers=(), stream=None, final=False, position=None, **deadline):
    request = streams_pb2.BatchAppendReq(correlation_id=shared_pb2.UUID(string=str(correlation)), is_final=final)
    if stream is not None:
        options = request.options
        options.stream_identifier.stream_name = stream.encode()
        if position is None:
            options.any.CopyFrom(empty_pb2.Empty())
        else:
            options.stream_position = position
        for name, value in deadline.items():
            getattr(options, name).CopyFrom(value)
    for n in numbers:
        bits = shared_pb2.UUID.Structured(most_significant_bits=-1, least_significant_bits=-n)
        message = request.proposed_messages.add(id=shared_pb2.UUID(structured=bits), data=b"{}")
        message.metadata["type"] = "booking.confirmed"
        message.metadata["content-type"] = "application/json"
    return request


def batch(stub, metadata, requests):
    return list(stub.BatchAppend(iter(requests), metadata=metadata, timeout=PATIENCE))


def pieces(stub, metadata):
    """Appends in pieces, interleaved; one that is refused among them; answers of one stream in its order."""
    a, b, c, d = (uuid.UUID(int=n) for n in range(1000, 1004))
    answers = batch(
        stub,
        metadata,
        [
            piece(a, [1, 2], stream="booking-api.pieces"),
            piece(b, [10], stream="booking-api.other"),
            piece(a, [3]),
            piece(b, [11], final=True),
            piece(a, [4], final=True),
            piece(c, [5], stream="booking-api.pieces", position=9, final=True),
            piece(d, [5], stream="booking-api.pieces", position=3, final=True),
        ],
    )
    assert len(answers) == 4, answers
    of_stream = [x for x in answers if x.stream_identifier.stream_name == b"booking-api.pieces"]
    assert [uuid.UUID(x.correlation_id.string) for x in of_stream] == [a, c, d], of_stream
    assert of_stream[0].success.current_revision == 3
    assert of_stream[0].WhichOneof("expected_stream_position") == "any"
    error = of_stream[1].error
    assert (error.code, error.message) == (6, "WrongExpectedVersion"), error
    wrong = shared_pb2.WrongExpectedVersion()
    assert error.details.Unpack(wrong)
    assert (wrong.current_stream_revision, wrong.expected_stream_position) == (3, 9), wrong
    # After an error the call goes on.
    assert of_stream[2].success.current_revision == 4


def deadlines(stub, metadata):
    late = timestamp_pb2.Timestamp(seconds=1)
    none = duration_pb2.Duration(seconds=0)
    # One stock client sends the time of day as if it were a duration.
    odd = duration_pb2.Duration(seconds=1_780_000_000)
    requests = [
        piece(uuid.UUID(int=1), [30], stream="booking-api.late", final=True, deadline_21_10_0=late),
        piece(uuid.UUID(int=2), [31], stream="booking-api.late", final=True, deadline=none),
        piece(uuid.UUID(int=3), [32], stream="booking-api.late", final=True, deadline=odd),
    ]
    answers = batch(stub, metadata, requests)
    assert [x.error.code for x in answers] == [4, 4, 0], answers
    assert answers[0].error.details.Is(shared_pb2.Timeout.DESCRIPTOR)
    assert answers[2].success.current_revision == 0, answers


def broken(stub, metadata):
    """What makes no sense ends the call with a sentence."""
    one = uuid.UUID(int=1)
    no_options = [piece(one, [1], final=True)]
    no_id = [streams_pb2.BatchAppendReq(is_final=True)]
    many = [piece(uuid.UUID(int=n), [1], stream="booking-api.many") for n in range(1, 100)]
    for requests in (no_options, no_id, many):
        error = refused(grpc.RpcError, lambda: batch(stub, metadata, requests))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    # Without a stream, without an expectation, events first.
    proposed = streams_pb2.AppendReq.ProposedMessage()
    for requests in ([], [streams_pb2.AppendReq()], [streams_pb2.AppendReq(proposed_message=proposed)]):
        error = refused(grpc.RpcError, lambda: stub.Append(iter(requests), metadata=metadata, timeout=PATIENCE))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    error = refused(grpc.RpcError, lambda: list(stub.Read(streams_pb2.ReadReq(), metadata=metadata, timeout=PATIENCE)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    # More than one append may have, in pieces: the answer says so, and the call goes on.
    big = piece(one, [], stream="booking-api.big")
    large = streams_pb2.BatchAppendReq(correlation_id=big.correlation_id)
    large.proposed_messages.add(id=shared_pb2.UUID(string=str(one)), data=b"x" * (6 << 20))
    requests = [big, large, large, large, piece(one, final=True), piece(uuid.UUID(int=2), [40], stream="booking-api.big", final=True)]
    answers = batch(stub, metadata, requests)
    assert answers[0].error.details.Is(shared_pb2.MaximumAppendSizeExceeded.DESCRIPTOR), answers[0].error
    assert answers[1].success.current_revision == 0, answers


def main(admin_url, viewer_url, address, authority):
    secret = admin_url.split("@")[0].rsplit(":", 1)[1]
    with open(authority, "rb") as file:
        authority = file.read()
    clients = [KurrentDBClient(url, root_certificates=authority) for url in (admin_url, viewer_url)]
    with clients[0] as client, clients[1] as viewer:
        appends(client)
        reads(client)
        subscriptions(client)
        credentials(viewer)
        by_hand(address, secret, authority)
    print("as documented")


if __name__ == "__main__":
    main(*sys.argv[1:])
