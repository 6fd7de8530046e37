"""A local stand-in for Alibaba Cloud's OpenAPI: it checks signatures itself and answers in the documented shapes."""
