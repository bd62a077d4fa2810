# Databricks notebook source
# MAGIC %md
# MAGIC # Tests of listing, over the path that is there
# MAGIC Run by the `tests` job. A test that fails fails the notebook: `result.exit` would end it as a success.

# COMMAND ----------

dbutils.widgets.text("volume", "")
dbutils.widgets.text("route", "routes/demo.route.json")

# COMMAND ----------

from runtime.nutterfixture import NutterFixture

import s3private
from s3private.jobs.place import in_volume


class ListingFixture(NutterFixture):
    def before_all(self):
        self.route = s3private.Route.load(
            in_volume(dbutils.widgets.get("volume"), dbutils.widgets.get("route"), below="routes", parameter="route")
        )
        self.s3 = s3private.connect(self.route)
        self.uri = f"s3://{self.route.buckets[0]}/"

    def run_keys_come_in_order(self):
        self.keys = [entry.key for entry in s3private.list_objects(self.s3, self.uri)]

    def assertion_keys_come_in_order(self):
        assert self.keys, f"{self.uri} is empty: these tests need an object"
        assert self.keys == sorted(self.keys, key=lambda key: key.encode())

    def run_small_pages_give_the_same_keys(self):
        self.paged = [entry.key for entry in s3private.list_objects(self.s3, self.uri, page_size=1)]

    def assertion_small_pages_give_the_same_keys(self):
        assert sorted(self.paged) == sorted(entry.key for entry in s3private.list_objects(self.s3, self.uri))

    def run_another_host_is_refused(self):
        self.refused = None
        try:
            self.s3.list_objects_v2(Bucket="arn:aws:s3:eu-west-1:111111111111:accesspoint/elsewhere")
        except s3private.OutsideRoute as error:
            self.refused = error

    def assertion_another_host_is_refused(self):
        assert self.refused is not None


# COMMAND ----------

result = ListingFixture().execute_tests()
print(result.to_string())
failed = [test.test_name for test in result.test_results.results if not test.passed]
if failed:
    raise AssertionError(f"failed: {', '.join(failed)}")
