# Databricks notebook source
# MAGIC %md
# MAGIC # Build the private path
# MAGIC
# MAGIC Builds, or mends, the path that one file in `paths/` asks for: S3 interface endpoint, load balancer, endpoint
# MAGIC service, network connectivity configuration, and the Route that notebooks read. Run it again at any time:
# MAGIC nothing is doubled. It begins as a dry run; set **dry_run** to `false` when the plan is what you want.
# MAGIC
# MAGIC Needs serverless compute with the `s3private` wheel (with its `provision` extra), and the account service
# MAGIC principal's client id and secret in the secret scope.

# COMMAND ----------

dbutils.widgets.text("path_file", "paths/demo.workspace.toml")
dbutils.widgets.text("volume", "")
dbutils.widgets.text("secret_scope", "s3private")
dbutils.widgets.text("files", "")
dbutils.widgets.text("owner", "")
dbutils.widgets.text("account_host", "")
dbutils.widgets.dropdown("dry_run", "true", ["true", "false"])

parameters = [
    f"--path-file={dbutils.widgets.get('path_file')}",
    f"--volume={dbutils.widgets.get('volume')}",
    f"--secret-scope={dbutils.widgets.get('secret_scope')}",
    f"--files={dbutils.widgets.get('files')}",
    f"--owner={dbutils.widgets.get('owner')}",
    f"--account-host={dbutils.widgets.get('account_host')}",
]
dry_run = dbutils.widgets.get("dry_run")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The plan
# MAGIC Reads, and writes nothing. It refuses whatever provisioning would refuse.

# COMMAND ----------

from s3private.jobs import path

path.plan(parameters)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Provision
# MAGIC Ten to twenty minutes the first time, most of it waiting. Interrupted? Run the cell again.

# COMMAND ----------

path.provision([*parameters, f"--dry-run={dry_run}"])

# COMMAND ----------

# MAGIC %md
# MAGIC Changes reach serverless compute in about ten minutes. Compute that is running keeps its old DNS: detach and
# MAGIC attach again before you go on with `02_list_and_read`.
