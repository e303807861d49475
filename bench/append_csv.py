"""Appends a CSV file to a new table with PyIceberg; prints the seconds and the rows as JSON.

The request comes on standard input: {"catalog": properties, "namespace": name, "table": name, "csv": path,
"partition": column or null}. Imports and the connection are not measured; reading, creating and appending are.
"""

import json
import sys
import time

from pyarrow import csv
from pyiceberg.catalog import load_catalog
from pyiceberg.transforms import IdentityTransform

request = json.load(sys.stdin)
catalog = load_catalog("bench", **request["catalog"])
started = time.perf_counter()
rows = csv.read_csv(request["csv"])
table = catalog.create_table((request["namespace"], request["table"]), schema=rows.schema)
if request["partition"]:
    with table.update_spec() as spec:
        spec.add_field(request["partition"], IdentityTransform(), request["partition"])
table.append(rows)
took = time.perf_counter() - started
json.dump({"seconds": took, "rows": table.scan().count()}, sys.stdout)
