"""Who is told, by e-mail, when the machine, its GPU, its disks, its address or the service is in trouble.

Metrics of memory, disks and GPU come from the CloudMonitor agent, which an account installs on new instances unless
that was turned off (help page "PutMonitoringConfig": EnableInstallAgentNewECS, default true).
"""

import hashlib
import json
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

ECS, EIP = "acs_ecs_dashboard", "acs_vpc_eip"
PERIOD_S = 300
SILENCE_S = 6 * 3600  # between two mails about the same lasting trouble; the cloud's default is a day
BY_MAIL = "4"  # level of an event rule's contact (SDK alibabacloud_cms20190101 4.0.10: "4: DingTalk and email")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Fires when the average of `metric` is `operator` `threshold` in `times` periods of 5 minutes in a row."""

    name: str
    metric: str
    threshold: str
    times: int
    critical: bool
    operator: str = ">="


# Names: aliyun/alibabacloud-aiops-skills, alibabacloud-ecs-health-inspection, inspection commands 3A.1, 3A.3 and 3A.7
# (percent). The disk rule names the instance only and so watches every file system, the system disk's too.
MACHINE = (
    Rule(name="cpu", metric="CPUUtilization", threshold="90", times=3, critical=False),
    Rule(name="memory", metric="memory_usedutilization", threshold="90", times=3, critical=False),
    Rule(name="disk", metric="diskusage_utilization", threshold="85", times=1, critical=True),
)
# Same source, 3A.9: aggregates over the instance's GPUs, in percent and °C. Models that stay loaded fill most of the
# memory by design; at 97 % the next request may not fit.
GPU = (
    Rule(name="gpu-memory", metric="instance_gpu_memory_usedutilization", threshold="97", times=3, critical=False),
    Rule(name="gpu-temperature", metric="instance_gpu_gpu_temperature", threshold="85", times=2, critical=True),
)
# Help page "Alibaba Cloud services and related metrics supported in resource usage reports": EIP, Average; percent of
# the bandwidth. Only outward: a release pulls models at full speed inward.
ADDRESS = (Rule(name="traffic", metric="net_out.rate_percentage", threshold="90", times=3, critical=False),)
# Reported by the box each minute, 1 or 0: it is ready; the authority's certificate lasts another day. Caddy asks a
# reluctant authority again within the hour, so less than that is no news.
SERVICE = Rule(name="service", metric="open_webui_ready", operator="<", threshold="0.5", times=2, critical=True)
CERTIFICATE = Rule(
    name="certificate", metric="open_webui_certificate", operator="<", threshold="0.5", times=15, critical=True
)

# Help page "ECS system events" (names, types and levels).
FAILURES = (
    "Instance:InstanceFailure.Reboot:Executing",
    "Instance:SystemFailure.Reboot:Executing",
    "Instance:SystemFailure.Reboot:Failed",
    "Instance:SystemFailure.Redeploy:Scheduled",
    "Instance:SystemFailure.Stop:Executing",
    "Instance:SystemMaintenance.Reboot:Scheduled",
    "Instance:SystemMaintenance.Redeploy:Scheduled",
    "Instance:SystemMaintenance.Stop:Scheduled",
    "Instance:PreemptibleInstanceInterruption",
)
STATE_CHANGE = "Instance:StateChange"


@dataclass(frozen=True, kw_only=True)
class ReadinessReports:
    """`account_id`: the account whose custom metrics the box adds to. `since`: what ends with the first report.
    `certificate`: an authority's is expected, so its end is reported too.
    """

    account_id: pulumi.Input[str]
    since: pulumi.Resource
    certificate: bool


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """`contacts` are e-mail addresses. `stops_on_schedule`: a stop of the instance is no news."""

    contacts: tuple[str, ...]
    instance_id: pulumi.Input[str]
    allocation_id: pulumi.Input[str]
    gpu: bool
    stops_on_schedule: bool
    readiness: ReadinessReports | None
    physical_name: str


def contact_name(physical_name: str, address: str) -> str:
    """At most 40 characters, the cloud's limit; another address is another contact, never a changed one."""
    digest = hashlib.sha256(f"{physical_name} {address}".encode()).hexdigest()[:8]
    return f"{physical_name[:31]}-{digest}"


class Alarms(pulumi.ComponentResource):
    """Output `contact_group`: its name."""

    contact_group: pulumi.Output[str]

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Alarms", name, {}, opts)
        self._prefix, self._wanted = name, args
        contacts = [self._contact(address) for address in args.contacts]
        self.contact_group = alicloud.cms.AlarmContactGroup(
            f"{name}-contacts",
            alarm_contact_group_name=args.physical_name,
            contacts=contacts,
            describe="Told of trouble with Open WebUI",
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        ).alarm_contact_group_name
        instance = _resource(instanceId=args.instance_id)
        for rule in (*MACHINE, *(GPU if args.gpu else ())):
            self._alarm(rule, ECS, instance)
        for rule in ADDRESS:
            self._alarm(rule, EIP, _resource(instanceId=args.allocation_id))
        self._events("failure", FAILURES, ["Exception", "Maintenance", "StatusNotification"], ["CRITICAL", "WARN"], "")
        if not args.stops_on_schedule:
            self._events("stopped", (STATE_CHANGE,), ["StatusNotification"], ["INFO"], " and Stopped")
        if args.readiness is not None:
            self._service(args.readiness)
        self.register_outputs({"contactGroup": self.contact_group})

    def _contact(self, address: str) -> pulumi.Output[str]:
        contact_name_ = contact_name(self._wanted.physical_name, address)
        return alicloud.cms.AlarmContact(
            f"{self._prefix}-contact-{contact_name_[-8:]}",
            alarm_contact_name=contact_name_,
            describe="Told of trouble with Open WebUI",
            channels_mail=address,
            lang="en",
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                # The cloud answers no address until its owner opened the link: each refresh would mail another one.
                ignore_changes=["channelsMail"],
            ),
        ).alarm_contact_name

    def _alarm(
        self,
        rule: Rule,
        namespace: pulumi.Input[str],
        resources: pulumi.Output[str],
        since: pulumi.Resource | None = None,
    ) -> None:
        escalation: alicloud.cms.AlarmEscalationsCriticalArgsDict = {
            "statistics": "Average",
            "comparison_operator": rule.operator,
            "threshold": rule.threshold,
            "times": rule.times,
        }
        alicloud.cms.Alarm(
            f"{self._prefix}-{rule.name}",
            name=f"{self._wanted.physical_name}-{rule.name}",
            project=namespace,
            metric=rule.metric,
            metric_dimensions=resources,
            period=PERIOD_S,
            silence_time=SILENCE_S,
            contact_groups=[self.contact_group],
            # The API refuses a rule without an escalation, and takes one.
            escalations_critical=escalation if rule.critical else None,
            escalations_warn=None if rule.critical else {**escalation},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[since] if since is not None else None),
        )

    def _events(self, name: str, events: tuple[str, ...], types: list[str], levels: list[str], more: str) -> None:
        """Mail each of the system events about this instance; `more` narrows the filter (SLS query syntax)."""
        alicloud.cms.EventRule(
            f"{self._prefix}-{name}",
            rule_name=f"{self._wanted.physical_name}-{name}",
            description="The Open WebUI instance fails, or is stopped",
            event_pattern={
                "product": "ecs",
                "name_lists": list(events),
                "event_type_lists": types,
                "level_lists": levels,
                "sql_filter": pulumi.Output.concat(self._wanted.instance_id, more),
            },
            contact_parameters=[
                {"contact_parameters_id": "1", "contact_group_name": self.contact_group, "level": BY_MAIL}
            ],
            status="ENABLED",
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _service(self, readiness: ReadinessReports) -> None:
        """Watch custom metrics: namespace and resources as in Alibaba's CloudMonitor SDK samples (createAlarm)."""
        namespace = pulumi.Output.concat("acs_customMetric_", readiness.account_id)
        dimension = pulumi.Output.concat("instanceId=", self._wanted.instance_id)
        for rule in (SERVICE, *((CERTIFICATE,) if readiness.certificate else ())):
            self._alarm(rule, namespace, _resource(groupId="0", dimension=dimension), readiness.since)


def _resource(**dimensions: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(dimensions).apply(lambda known: json.dumps([known], sort_keys=True))
