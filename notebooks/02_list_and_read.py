# Databricks notebook source
# MAGIC %md
# MAGIC # List and read over the private path
# MAGIC
# MAGIC `connect` gives a real boto3 S3 client for the Route's host. It refuses every other host before a request is
# MAGIC sent: what works here went the private way.

# COMMAND ----------

dbutils.widgets.text("volume", "")
dbutils.widgets.text("route", "routes/demo.route.json")
# Whose keys sign; empty: the service credential that the Route names.
dbutils.widgets.text("service_credential", "")

from s3private.jobs.place import in_volume

# A Route says where requests go and who signs them: only the folder of Routes is looked in.
route_file = in_volume(dbutils.widgets.get("volume"), dbutils.widgets.get("route"), below="routes", parameter="route")

# COMMAND ----------

# MAGIC %md
# MAGIC ## List
# MAGIC No endpoint typed by hand, no keys in the notebook.

# COMMAND ----------

import s3private

s3 = s3private.connect(route_file, service_credential=dbutils.widgets.get("service_credential") or None)
bucket = s3private.Route.load(route_file).buckets[0]
entries = list(s3private.list_objects(s3, f"s3://{bucket}/"))
print(*(entry.key for entry in entries), sep="\n")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read
# MAGIC Many objects at once, in the order asked for. An object that was replaced since it was listed is an error, not a
# MAGIC mix.

# COMMAND ----------

for read in s3private.read_objects(s3, entries[:10]):
    print(read.key, len(read.body), "bytes")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Nothing else can be reached
# MAGIC An access point has a host of its own, so it is refused and never sent.

# COMMAND ----------

try:
    s3.list_objects_v2(Bucket="arn:aws:s3:eu-west-1:111111111111:accesspoint/elsewhere")
except s3private.OutsideRoute as refused:
    print(refused)
