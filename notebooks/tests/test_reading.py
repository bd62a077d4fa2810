# Databricks notebook source
# MAGIC %md
# MAGIC # Tests of reading, over the path that is there
# MAGIC Run by the `tests` job. A test that fails fails the notebook: `result.exit` would end it as a success.

# COMMAND ----------

dbutils.widgets.text("volume", "")
dbutils.widgets.text("route", "routes/demo.route.json")

# COMMAND ----------

from itertools import islice

from runtime.nutterfixture import NutterFixture

import s3private
from s3private.jobs.place import in_volume


class ReadingFixture(NutterFixture):
    def before_all(self):
        self.route = s3private.Route.load(
            in_volume(dbutils.widgets.get("volume"), dbutils.widgets.get("route"), below="routes", parameter="route")
        )
        self.s3 = s3private.connect(self.route)
        listing = s3private.list_objects(self.s3, f"s3://{self.route.buckets[0]}/")
        self.entries = list(islice((entry for entry in listing if entry.size < 1_000_000), 5))

    def run_bodies_are_whole_and_in_order(self):
        self.read = list(s3private.read_objects(self.s3, self.entries))

    def assertion_bodies_are_whole_and_in_order(self):
        assert self.entries, f"{self.route.buckets[0]} has no small object: these tests need one"
        assert [(r.key, len(r.body)) for r in self.read] == [(e.key, e.size) for e in self.entries]

    def run_boto3_reads_the_same_bytes(self):
        entry = self.entries[0]
        self.plain = self.s3.get_object(Bucket=entry.bucket, Key=entry.key)["Body"].read()

    def assertion_boto3_reads_the_same_bytes(self):
        assert self.plain == next(s3private.read_objects(self.s3, self.entries[:1])).body

    def run_an_absent_object_is_named(self):
        self.refused = None
        try:
            list(s3private.read_objects(self.s3, [f"s3://{self.route.buckets[0]}/no/such/object"]))
        except s3private.ReadError as error:
            self.refused = error

    def assertion_an_absent_object_is_named(self):
        assert "no/such/object" in str(self.refused)


# COMMAND ----------

result = ReadingFixture().execute_tests()
print(result.to_string())
failed = [test.test_name for test in result.test_results.results if not test.passed]
if failed:
    raise AssertionError(f"failed: {', '.join(failed)}")
