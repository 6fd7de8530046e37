"""The region as a Pulumi provider: what the engine meets instead of pulumi-alicloud and Alibaba Cloud's API."""
