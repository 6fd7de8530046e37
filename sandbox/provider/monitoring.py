"""What watches: CloudMonitor's contacts, alarms and event rules. Nothing fires here."""

from collections.abc import Iterable

from sandbox.provider.cloud import Cloud
from sandbox.provider.errors import CloudError
from sandbox.provider.kind import Kind, check_tags, modify
from sandbox.provider.store import Inventory, new_id
from sandbox.provider.values import Props

ALARM = "alicloud:cms/alarm:Alarm"
CONTACT = "alicloud:cms/alarmContact:AlarmContact"
CONTACT_GROUP = "alicloud:cms/alarmContactGroup:AlarmContactGroup"
EVENT_RULE = "alicloud:cms/eventRule:EventRule"


def _create_contact(cloud: Cloud, props: Props) -> str:
    name = str(props["alarmContactName"])
    with cloud.call("PutContact", props, subject=name) as inventory:
        # The cloud answers no address before its owner has opened the link in the mail (SDK: AlarmContact).
        inventory.put(CONTACT, name, {"lang": "en", **props, "channelsMail": ""})
    return name


def _delete_contact(cloud: Cloud, name: str, _state: Props) -> None:
    with cloud.call("DeleteContact", {}, subject=name) as inventory:
        inventory.remove(CONTACT, name)


def _check_contacts(inventory: Inventory, props: Props) -> None:
    for contact in props.get("contacts") or []:
        if inventory.get(CONTACT, contact) is None:
            group = props["alarmContactGroupName"]
            raise CloudError("ContactNotExists", f"The contact {contact!r} of {group!r} does not exist.")


def _create_contact_group(cloud: Cloud, props: Props) -> str:
    name = str(props["alarmContactGroupName"])
    with cloud.call("PutContactGroup", props, subject=name) as inventory:
        _check_contacts(inventory, props)
        inventory.put(CONTACT_GROUP, name, {"enableSubscribed": False, **props})
    return name


def _delete_contact_group(cloud: Cloud, name: str, _state: Props) -> None:
    with cloud.call("DeleteContactGroup", {}, subject=name) as inventory:
        inventory.remove(CONTACT_GROUP, name)


def _check_alarm(inventory: Inventory, props: Props) -> None:
    escalations = ("escalationsCritical", "escalationsWarn", "escalationsInfo")
    if not any(props.get(name) for name in (*escalations, "prometheuses", "compositeExpression")):
        raise CloudError("InvalidParameter", f"The alarm {props['name']!r} has no escalation.")
    _check_groups(inventory, props["contactGroups"])


def _check_groups(inventory: Inventory, groups: Iterable[str | None]) -> None:
    """Refuse groups that are not there: stricter than the cloud may be."""
    for group in groups:
        if group is None or inventory.get(CONTACT_GROUP, group) is None:
            raise CloudError("ResourceNotFound", f"The contact group {group!r} does not exist.")


def _create_alarm(cloud: Cloud, props: Props) -> str:
    with cloud.call("PutResourceMetricRule", props, subject=str(props["name"])) as inventory:
        check_tags(props)
        _check_alarm(inventory, props)
        id_ = new_id("alarm", cloud.region_id)
        defaults = {"enabled": True, "period": 300, "silenceTime": 86400, "effectiveInterval": "00:00-23:59"}
        inventory.put(ALARM, id_, {**defaults, "status": "OK", **props})
    return id_


def _delete_alarm(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteMetricRules", {}, subject=id_) as inventory:
        inventory.remove(ALARM, id_)


def _check_event_rule(inventory: Inventory, props: Props) -> None:
    _check_groups(inventory, (contact.get("contactGroupName") for contact in props.get("contactParameters") or []))


def _create_event_rule(cloud: Cloud, props: Props) -> str:
    name = str(props["ruleName"])
    with cloud.call("PutEventRule", props, subject=name) as inventory:
        _check_event_rule(inventory, props)
        inventory.put(EVENT_RULE, name, {"status": "ENABLED", **props})
    return name


def _delete_event_rule(cloud: Cloud, name: str, _state: Props) -> None:
    with cloud.call("DeleteEventRules", {}, subject=name) as inventory:
        inventory.remove(EVENT_RULE, name)


KINDS = (
    Kind(
        token=CONTACT,
        create=_create_contact,
        update=modify("PutContact", CONTACT),
        delete=_delete_contact,
    ),
    Kind(
        token=CONTACT_GROUP,
        create=_create_contact_group,
        update=modify("PutContactGroup", CONTACT_GROUP, _check_contacts),
        delete=_delete_contact_group,
    ),
    Kind(
        token=ALARM,
        create=_create_alarm,
        update=modify("PutResourceMetricRule", ALARM, _check_alarm),
        delete=_delete_alarm,
        computed=("status",),
    ),
    Kind(
        token=EVENT_RULE,
        create=_create_event_rule,
        update=modify("PutEventRule", EVENT_RULE, _check_event_rule),
        delete=_delete_event_rule,
    ),
)
