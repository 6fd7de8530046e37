"""The region on one machine: what `pulumi up` meets in `make sandbox` instead of Alibaba Cloud."""
