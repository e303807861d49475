"""Reads tables of a REST catalog with PyIceberg; prints for each its columns, rows and history as JSON.

The request comes on standard input: {"catalog": properties, "namespace": name,
"tables": {name: {"select": columns, "snapshots": ids}}}. A table's rows are the selected columns as text.
"""

import json
import sys

from pyiceberg.catalog import load_catalog

request = json.load(sys.stdin)
catalog = load_catalog("storm", **request["catalog"])
answer = {}
for name, wanted in request["tables"].items():
    table = catalog.load_table((request["namespace"], name))
    rows = table.scan(selected_fields=tuple(wanted["select"])).to_arrow()
    columns = [[None if cell is None else str(cell) for cell in rows[column].to_pylist()] for column in wanted["select"]]
    answer[name] = {
        "columns": {field.name: str(field.field_type) for field in table.schema().fields},
        "rows": list(zip(*columns)),
        "snapshots": [str(snapshot.snapshot_id) for snapshot in table.snapshots()],
        "counts": {
            snapshot: table.scan(snapshot_id=int(snapshot)).to_arrow().num_rows for snapshot in wanted["snapshots"]
        },
    }
json.dump(answer, sys.stdout)
