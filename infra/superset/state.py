"""What init.sh has set up, in Superset's metadata: `state.py read` prints it, `state.py write TEXT` stores it."""
import os
import sys

import psycopg2

url = os.environ["SUPERSET_DATABASE_URI"].replace("postgresql+psycopg2://", "postgresql://")
with psycopg2.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS tributary_setup (state text NOT NULL)")
    if sys.argv[1] == "write":
        cursor.execute("DELETE FROM tributary_setup")
        cursor.execute("INSERT INTO tributary_setup VALUES (%s)", (sys.argv[2],))
    cursor.execute("SELECT state FROM tributary_setup")
    row = cursor.fetchone()
    print(row[0] if row else "")
