"""What dCache adds to WebDAV: macaroons, third-party copies, its REST interface, its tape interface."""
