"""The store of S3 object storage (Amazon S3 API), and the modules that it consists of."""
