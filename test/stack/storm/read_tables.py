"""Reads tables of a REST catalog with PyIceberg; prints for each its columns, rows and history as JSON.

The request comes on standard input: {"catalog": properties, "namespace": name,
"tables": {name: {"select": columns, "snapshots": ids, "rows_at": {id: columns}}}}. Rows are the selected columns as
text, of the newest snapshot (`rows`) and of those of `rows_at`.
"""

import json
import sys

from pyiceberg.catalog import load_catalog



def rows_of(scan, names):
    """The named columns of a scan's rows, as text."""
    rows = scan.to_arrow()
    columns = [[None if cell is None else str(cell) for cell in rows[name].to_pylist()] for name in names]
    return list(zip(*columns))


request = json.load(sys.stdin)
catalog = load_catalog("storm", **request["catalog"])
answer = {}
for name, wanted in request["tables"].items():
    table = catalog.load_table((request["namespace"], name))
    answer[name] = {
        "columns": {field.name: str(field.field_type) for field in table.schema().fields},
        "rows": rows_of(table.scan(selected_fields=tuple(wanted["select"])), wanted["select"]),
        "snapshots": [str(snapshot.snapshot_id) for snapshot in table.snapshots()],
        "counts": {
            snapshot: table.scan(snapshot_id=int(snapshot)).to_arrow().num_rows for snapshot in wanted["snapshots"]
        },
        "rows_at": {
            snapshot: rows_of(table.scan(selected_fields=tuple(names), snapshot_id=int(snapshot)), names)
            for snapshot, names in wanted.get("rows_at", {}).items()
        },
    }
json.dump(answer, sys.stdout)
