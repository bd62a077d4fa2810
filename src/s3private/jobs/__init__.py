"""What the bundle's jobs run: one entry point a module, named in pyproject.toml.

Each ends by printing a table for people, one line of JSON for programs, and the wheel's own version. `list`, `read`
and `verify` are the notebook half and need nothing but boto3; `path` is the operator half.
"""
