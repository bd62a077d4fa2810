"""There is no Spark in the emulated workspace; the names by which notebooks reach `dbutils` are here."""
