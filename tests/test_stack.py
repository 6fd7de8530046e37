from infra import stack
from infra.settings import Settings
from tests.configs import config


def gate(deploy, **changes):
    """The description of the release's command: another one is another run."""
    made = deploy(lambda: stack.deploy(Settings.parse("open-webui", "test", config(**changes))))
    return made["release-gate"].inputs["description"]


def test_a_grown_data_disk_runs_the_gate_again_where_the_box_grows_its_file_system(deploy):
    assert gate(deploy, dataDisk__sizeGib=300) != gate(deploy, dataDisk__sizeGib=400)


def test_another_bandwidth_does_not(deploy):
    assert gate(deploy, publicAddress__bandwidthMbps=50) == gate(deploy, publicAddress__bandwidthMbps=100)
