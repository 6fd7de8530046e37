"""The images of the region: what `get_images` finds and what an instance may boot."""

import re
from dataclasses import dataclass

from sandbox.provider.errors import CloudError
from sandbox.provider.values import Props


@dataclass(frozen=True, kw_only=True)
class Image:
    """One public image; `size_gib` is the least size of a system disk."""

    id: str
    family: str
    created: str
    size_gib: int
    gpu: bool


# facts/alibaba-cloud.md, section 0.1 and 2; the plain image's id follows the pattern given there
IMAGES = (
    Image(
        id="ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd",
        family="acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda",
        created="2026-05-20T02:00:00Z",
        size_gib=100,
        gpu=True,
    ),
    Image(
        id="ubuntu_22_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260520.vhd",
        family="acs:ubuntu_22_04_x64_with_nvidia_gpu_driver_and_cuda",
        created="2026-05-21T02:00:00Z",
        size_gib=100,
        gpu=True,
    ),
    Image(
        id="ubuntu_24_04_x64_20G_alibase_20260513.vhd",
        family="acs:ubuntu_24_04_x64",
        created="2026-05-14T02:00:00Z",
        size_gib=20,
        gpu=False,
    ),
)
_CUSTOM = re.compile(r"m-[a-z0-9]{8,32}")
GPU_TYPE = re.compile(r"ecs\.(ebm|scc)?(gn|vgn|sgn)")


def check_bootable(image_id: str, instance_type: str, system_disk_gib: int) -> None:
    """Refuse an image that is not there, is larger than the disk, or does not go with the type. Custom images
    (`m-…`) are taken as they come.
    """
    image = next((image for image in IMAGES if image.id == image_id), None)
    if image is None:
        if _CUSTOM.fullmatch(image_id) is None:
            raise CloudError("InvalidImageId.NotFound", f"The specified image {image_id!r} does not exist.")
        return
    if system_disk_gib < image.size_gib:
        raise CloudError(
            "InvalidSystemDiskSize.LessThanImageSize",
            f"The system disk of {system_disk_gib} GiB is smaller than the image of {image.size_gib} GiB.",
        )
    if image.gpu and GPU_TYPE.match(instance_type) is None:
        raise CloudError("ImageNotSupportInstanceType", f"{image_id} does not go with {instance_type}.")


def get_images(request: Props) -> Props:
    """Answer `alicloud:ecs/getImages:getImages`; no match is an empty list, as in the real provider."""
    if not any(request.get(key) for key in ("nameRegex", "owners", "imageOwnerId")):
        raise CloudError("MissingParameter", "One of name_regex, owners or image_owner_id must be specified.")
    found = [image for image in IMAGES if _matches(image, request)]
    found.sort(key=lambda image: image.created, reverse=True)
    if request.get("mostRecent"):
        found = found[:1]
    ids = [image.id for image in found]
    return {**request, "id": "images", "ids": ids, "images": [_shown(image) for image in found]}


def _matches(image: Image, request: Props) -> bool:
    type_ = request.get("instanceType")
    return (
        request.get("owners") in (None, "", "system")
        and re.search(request.get("nameRegex") or "", image.id) is not None
        and request.get("imageFamily") in (None, "", image.family)
        and request.get("imageId") in (None, "", image.id)
        and not (image.gpu and type_ and GPU_TYPE.match(type_) is None)
    )


def _shown(image: Image) -> Props:
    return {
        "id": image.id,
        "imageId": image.id,
        "name": image.id,
        "imageName": image.id,
        "architecture": "x86_64",
        "creationTime": image.created,
        "size": image.size_gib,
        "imageOwnerAlias": "system",
        "isSupportCloudInit": True,
        "isSupportIoOptimized": True,
        "osType": "linux",
        "status": "Available",
        "state": "Available",
        "platform": "Ubuntu",
        "tags": {},
        "diskDeviceMappings": [],
    }
