"""A process that runs SQL over tables it is given, one SELECT at a time, until its standard input ends.

DuckDB looks at its clock and its memory between blocks of rows, and not within one function: `range(1000000000)` takes
8 GB, and `levenshtein` of two long texts hours, whatever its settings say. So this is a process of its own, with
nothing in its environment, which the system ends at its deadline and gives no more memory than it may have.

A message is a length (8 bytes, big-endian) and as many bytes. A request is JSON, then a message of Arrow's stream
format for each of its `tables`; a reply is JSON, then one such message unless there is an `error`.

    {"text": ..., "read": true}                                what the text reads: {"tables": [...], "values": [...]}
    {"text": ..., "tables": [...], "values": {...}, "rows": n, "bytes": n, "seconds": s}
                                                               its rows: {"cut": whether there are more}
"""

from __future__ import annotations

import contextlib
import json
import resource
import select
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

IDLE_SECONDS = 120.0  # without a request: then it ends, with all that it takes
MEMORY_BYTES = 2**30  # whatever it is for
BATCH_ROWS = 2_048
MOST_ERROR = 600  # characters
GRACE = 3  # how many times as long as DuckDB may take it has to end by itself

# In FROM. Others read files, settings, or memory by its address; `query` would hide what is read.
TABLE_FUNCTIONS = ("range", "generate_series", "unnest", "json_each", "json_tree")
SETTINGS = {
    "threads": "1",
    "async_threads": "1",
    "memory_limit": "'256MB'",
    "temp_directory": "''",
    "max_temp_directory_size": "'0B'",
    "python_enable_replacements": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "timezone": "'UTC'",
    "enable_external_access": "false",  # after the folders above, which it holds fast
}

Reply = tuple[dict[str, Any], pa.Table | None]


class Refused(ValueError):
    """The text is no SELECT over tables."""


def main(requests: BinaryIO, replies: BinaryIO) -> None:
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)  # which ends the process, whatever it does
    limit_resources()
    while select.select([requests], [], [], IDLE_SECONDS)[0] and (message := receive(requests)):
        request = json.loads(message)
        set_deadline(request["seconds"])
        tables = {name: pa.ipc.open_stream(receive(requests)).read_all() for name in request.get("tables", ())}
        reply, rows = replied(request, tables)
        send(replies, json.dumps(reply).encode())
        if rows is not None:
            send(replies, stream_of(rows))
        set_deadline(0)
        if reply.get("spent"):
            return  # what it took is given back by ending alone


def set_deadline(seconds: float) -> None:
    """Of the processor's time, and much later of the clock's: where much else is done, that goes by with little."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, GRACE * seconds)


def limit_resources() -> None:
    for kind, most in ((resource.RLIMIT_DATA, MEMORY_BYTES), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # not every system has them all
            resource.setrlimit(kind, (most, most))


def replied(request: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Reply:
    try:
        with duckdb.connect(":memory:") as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"SET {name} = {value}")
            connection.execute(f"SET max_execution_time = {int(request['seconds'] * 1000)}")
            for name, table in tables.items():
                connection.register(name, table)
            connection.execute("SET lock_configuration = true")
            read, values = what_is_read(connection, request["text"])
            if request.get("read"):
                return {"tables": read, "values": values}, None
            return rows_of(connection, request, values)
    except Refused as error:
        return {"error": str(error)}, None
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        return {"error": "needs more memory than it may have", "spent": True}, None
    except duckdb.InterruptException:
        return {"error": f"takes longer than {request['seconds']:g} s", "spent": True}, None
    except RecursionError:
        return {"error": "is nested too deeply"}, None
    except (duckdb.Error, pa.ArrowException) as error:
        return {"error": first_part(str(error))}, None


def what_is_read(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[list[str], list[str]]:
    """The tables and the named values that a SELECT reads, in their order. Raises Refused."""
    (found,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()
    parsed = json.loads(found[0])
    if parsed.get("error"):
        if parsed["error_type"] != "parser":
            raise Refused("is no SELECT, and a cell of SQL is one")
        line = text.encode()[: int(parsed.get("position", 0))].count(b"\n") + 1
        raise Refused(f"line {line}: {parsed['error_message']}"[:MOST_ERROR])
    if len(parsed["statements"]) != 1:
        raise Refused("holds no SELECT" if not parsed["statements"] else "holds more than one statement")
    (statement,) = parsed["statements"]
    nodes = list(every_node(statement))
    defined = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    for node in nodes:
        refuse_what_is_no_table(node)
    read = [".".join(node["qualified_name"]["path"]) for node in nodes if node.get("type") == "BASE_TABLE"]
    values = [entry["key"] for entry in statement["named_param_map"]]
    return [name for name in dict.fromkeys(map(str.lower, read)) if name not in defined], values


def every_node(statement: Any) -> Iterator[dict[str, Any]]:
    """Each object of the tree, from the left."""
    left = [statement]
    while left:
        match left.pop():
            case dict(node):
                yield node
                left += reversed(list(node.values()))
            case list(nodes):
                left += reversed(nodes)


def refuse_what_is_no_table(node: Mapping[str, Any]) -> None:
    if node.get("type") == "SHOW_REF" and node["table_name"]:
        raise Refused("shows what DuckDB knows; write SUMMARIZE FROM and the name of a cell to see what is in it")
    if node.get("type") == "TABLE_FUNCTION" and (name := node["function"]["function_name"]) not in TABLE_FUNCTIONS:
        raise Refused(f"reads {name[:60]}(); besides other cells it may read {', '.join(TABLE_FUNCTIONS)}")


def rows_of(connection: duckdb.DuckDBPyConnection, request: Mapping[str, Any], named: Sequence[str]) -> Reply:
    """At most `rows` of the answer, and not many more than `bytes`."""
    known = request["values"]
    if unknown := [name for name in named if name not in known]:
        raise Refused(f"names ${unknown[0][:60]}, which is no variable; there is {', '.join(known) or 'none'}")
    relation = connection.sql(request["text"], params={name: known[name] for name in named} or None)
    reader = relation.to_arrow_reader(BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > request["rows"] or size > request["bytes"]:
            break
    if size > 2 * request["bytes"]:
        raise Refused("gives rows too large to be shown")
    table = pa.Table.from_batches(batches, reader.schema)
    whole = rows <= request["rows"] and size <= request["bytes"]
    return {"cut": not whole}, table if whole else table.slice(0, min(request["rows"], rows))


def first_part(message: str) -> str:
    """What DuckDB says, without the picture of where; the number of the line stays."""
    said, _, place = message.partition("\n\nLINE ")
    line = place.partition(":")[0]
    where = f"line {line}: " if line.isdigit() else ""
    return f"{where}{said.strip()}"[:MOST_ERROR]


def stream_of(rows: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return memoryview(sink.getvalue())


def receive(stream: BinaryIO) -> bytes:
    """A message; nothing where the stream ends."""
    return stream.read(int.from_bytes(stream.read(8)))


def send(stream: BinaryIO, message: bytes | memoryview) -> None:
    stream.write(len(message).to_bytes(8))
    stream.write(message)
    stream.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
