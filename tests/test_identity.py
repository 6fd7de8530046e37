import json

from infra.identity import Identity, IdentityArgs, Parameter, role_policy
from ops import resource_types
from ops.values import Secret

PARAMETERS = {
    "admin-password": Parameter(name="open-webui-dev/admin-password", value="correct horse", keep_first=True),
    "config-aKey": Parameter(name="open-webui-dev/config-aKey", value="sk-1"),
}
ARGS = IdentityArgs(region="ap-southeast-1", parameters=PARAMETERS, physical_name="open-webui-dev", tags={"team": "a"})


def test_only_ecs_may_take_the_role(deploy):
    trust = json.loads(deploy(lambda: Identity("id", ARGS))["id-role"].inputs["assumeRolePolicyDocument"])
    assert trust["Statement"] == [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": ["ecs.aliyuncs.com"]}}
    ]


def test_the_role_reads_its_own_parameters_and_nothing_else():
    policy = role_policy("ap-southeast-1", ("open-webui-dev/a", "open-webui-dev/b"))
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {"oos:GetSecretParameter", "oos:GetSecretParameters", "kms:GetSecretValue"}
    for statement in policy["Statement"]:
        for resource in statement["Resource"]:
            assert resource.endswith(("open-webui-dev/a", "open-webui-dev/b"))
            assert ":ap-southeast-1:" in resource


def test_every_value_is_a_secret(deploy):
    made = deploy(lambda: Identity("id", ARGS))
    for name in ("id-admin-password", "id-config-aKey"):
        assert isinstance(made[name].inputs["value"], Secret)
        assert "value" in made[name].options.additional_secret_outputs


def test_a_generated_value_stays_and_a_given_one_follows_the_config(deploy):
    made = deploy(lambda: Identity("id", ARGS))
    assert made["id-admin-password"].options.ignore_changes == ("value",)
    assert made["id-config-aKey"].options.ignore_changes == ()


def test_fixed_names_are_let_go_before_they_are_used_again(deploy):
    made = deploy(lambda: Identity("id", ARGS))
    assert all(made[name].options.delete_before_replace for name in made if name != "id")


def test_a_parameters_value_is_not_in_its_repr():
    assert "correct horse" not in repr(PARAMETERS)


def test_only_a_box_that_is_watched_may_report():
    silent, watched = (role_policy("ap-southeast-1", ("a",), reports_readiness=watched) for watched in (False, True))
    more = [statement for statement in watched["Statement"] if statement not in silent["Statement"]]
    assert more == [{"Effect": "Allow", "Action": ["cms:PutCustomMetric"], "Resource": ["*"]}]


def test_the_account_is_read_from_the_role(deploy):
    seen: list[str] = []

    def program():
        Identity("id", ARGS).account_id.apply(seen.append)

    deploy(program)
    assert seen == [resource_types.ACCOUNT]


def test_the_oldest_version_of_the_policy_makes_room_for_the_sixth(deploy):
    made = deploy(lambda: Identity("id", ARGS))["id-policy"]
    assert made.inputs["rotateStrategy"] == "DeleteOldestNonDefaultVersionWhenLimitExceeded"
