"""The endpoints, one module a subject. Each handler makes one call and turns its answer into JSON."""
