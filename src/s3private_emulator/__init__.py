"""AWS, the Databricks account and workspace, and the private network between them, on loopback.

A separate package, never in the wheel: the library meets it on the wire only. It refuses what the clouds refuse; each
refusal cites the documentation or the recorded fact that it stands on. An emulator kinder than the clouds is a defect.
"""
