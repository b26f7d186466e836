"""S3 object stores (Amazon S3 API): the store, and what it is made of."""
