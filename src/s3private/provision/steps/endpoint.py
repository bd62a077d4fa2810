"""The S3 interface endpoint in the data account's VPC, and the security group that lets the load balancer in.

Private DNS stays off: on, it would demand a gateway endpoint and change how the whole VPC reaches S3.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
"""

from __future__ import annotations

import ipaddress
import json
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from s3private.errors import Conflict, NotYet
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, Resource, State, StillInUse, Unsure
from s3private.provision.names import is_regional_name
from s3private.provision.steps.base import AwsStep, error_code, listed, refusing_doubles
from s3private.provision.steps.ownership import AT_ONCE, PATH_TAG
from s3private.provision.steps.placement import LoadBalancer, Subnets

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        FilterTypeDef,
        IpPermissionOutputTypeDef,
        IpPermissionTypeDef,
        SecurityGroupTypeDef,
        VpcEndpointTypeDef,
    )

HTTPS = 443


class GivenSubnets(AwsStep[Subnets]):
    """Given, never made: that they fit is known before the first write."""

    kind = Subnets
    title = "subnets"
    given = True

    def find(self, found: Found) -> Subnets:
        wanted = self.config.subnet_ids
        try:
            seen = self.ec2.describe_subnets(SubnetIds=list(wanted))["Subnets"]
        except ClientError as error:
            if error_code(error) == "InvalidSubnetID.NotFound":
                raise Conflict(
                    f"aws.subnet_ids: {self.refusal(error)} in account {self.config.aws_account_id}"
                ) from error
            raise
        for subnet in seen:
            if subnet["VpcId"] != self.config.vpc_id:
                raise Unsure(
                    f"aws.subnet_ids: {subnet['SubnetId']} is in {subnet['VpcId']}, and aws.vpc_id is "
                    f"{self.config.vpc_id}: mend the one of the two that is wrong"
                )
        if without := sorted(subnet["SubnetId"] for subnet in seen if not subnet.get("CidrBlock")):
            raise Conflict(
                f"aws.subnet_ids: {', '.join(without)} has no IPv4 addresses, which the path is made of: name another"
            )
        zones = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in seen}
        listed = ", ".join(sorted(zones.values()))
        if len(set(zones.values())) != len(wanted):
            raise Conflict(f"aws.subnet_ids: one subnet per availability zone is needed, these are in {listed}")
        return Subnets(
            id=", ".join(wanted),
            detail=listed,
            ours=False,
            cidrs=tuple(sorted(subnet["CidrBlock"] for subnet in seen)),
            zones=zones,
            free={s["SubnetId"]: s["AvailableIpAddressCount"] for s in seen if "AvailableIpAddressCount" in s},
        )

    def create(self, found: Found) -> None:
        raise Conflict("aws.subnet_ids: subnets are given, not made")

    def delete(self, resource: Subnets, found: Found) -> None:
        raise Conflict("aws.subnet_ids: subnets are given, not deleted")


_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class SecurityGroup(Resource):
    unseen_codes = ("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound", "InvalidSecurityGroup")

    cidrs_let_in: frozenset[str]
    cidrs_let_out: frozenset[str]

    def shut_in(self, cidrs: Iterable[str]) -> list[str]:
        return [cidr for cidr in cidrs if not _covered(cidr, self.cidrs_let_in)]

    def shut_out(self, cidrs: Iterable[str]) -> list[str]:
        return [cidr for cidr in cidrs if not _covered(cidr, self.cidrs_let_out)]


def _covered(cidr: str, by: Iterable[str]) -> bool:
    network = ipaddress.IPv4Network(cidr)
    return any(network.subnet_of(ipaddress.IPv4Network(wider, strict=False)) for wider in by)


def _let_through(permissions: Iterable[IpPermissionOutputTypeDef], group: str) -> frozenset[str]:
    """The CIDRs for which tcp/443 is open; all of them where the group names itself, for both ends are in it."""
    cidrs: set[str] = set()
    for rule in permissions:
        https = rule.get("IpProtocol") == "tcp" and rule.get("FromPort", 0) <= HTTPS <= rule.get("ToPort", 65535)
        if https or rule.get("IpProtocol") == "-1":
            cidrs |= {block["CidrIp"] for block in rule.get("IpRanges", [])}
            if any(pair.get("GroupId") == group for pair in rule.get("UserIdGroupPairs", [])):
                cidrs.add(_ANYWHERE)
    return frozenset(cidrs)


class OpenSecurityGroup(AwsStep[SecurityGroup]):
    """Of the endpoint and of the load balancer: what leaves the one for the other must come in there.

    Client IPs are not preserved through the load balancer: the endpoint sees the load balancer's subnets. Inbound rules
    say nothing of PrivateLink traffic, which is exempt, but outbound ones hold for it and for health checks.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-security-groups.html
    """

    kind = SecurityGroup
    title = "security group"
    never_doubles = True

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._kept: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Subnet ids -> their CIDRs, which do not change."""

    def find(self, found: Found) -> SecurityGroup | None:
        if self.config.security_group_id:
            return self._given(self.config.security_group_id, found)
        group = self._named()
        if group is None:
            return None
        if not self._is_own(group):
            raise self.mark.lost(f"security group {self.config.resource_name}", group["GroupId"], "exists")
        inbound = [block["CidrIp"] for rule in group.get("IpPermissions", []) for block in rule.get("IpRanges", [])]
        note = f"security group {group['GroupId']} lets {_ANYWHERE} in: no rule of this path's, and left as it is"
        return replace(self._read(group, ours=True), notes=(note,) if _ANYWHERE in inbound else ())

    def leftover(self, found: Found) -> SecurityGroup | None:
        """Where another group is given by now, what this path made before."""
        given, own = self.config.security_group_id, self._named()
        if given:
            if own and own["GroupId"] != given and self._is_own(own):
                return self._read(own, ours=True)
            # It is nobody's to delete, and may be gone by now.
            with suppress(Conflict):
                return self._given(given, found)
            return None
        return self.find(found)

    def _is_own(self, group: SecurityGroupTypeDef) -> bool:
        return self.is_ours(f"security group {group['GroupId']}", group.get("Tags", []))

    def _named(self) -> SecurityGroupTypeDef | None:
        """A VPC has one group of a name: the tag says whether it is ours. Raises Unsure for one in another VPC."""
        filters: list[FilterTypeDef] = [{"Name": "group-name", "Values": [self.config.resource_name]}]
        here = None
        for group in self.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]:
            if group.get("VpcId") == self.config.vpc_id:
                here = group
            elif self._is_own(group):
                raise self.elsewhere(f"security group {group['GroupId']}", group.get("VpcId"))
        return here

    def _given(self, given: str, found: Found) -> SecurityGroup:
        try:
            group = self.ec2.describe_security_groups(GroupIds=[given])["SecurityGroups"][0]
        except ClientError as error:
            if error_code(error) == "InvalidGroup.NotFound":
                raise Conflict(f"aws.security_group_id: {self.refusal(error)}") from error
            raise
        if group.get("VpcId") != self.config.vpc_id:
            raise Conflict(
                f"aws.security_group_id: {given} is in {group.get('VpcId') or 'no VPC'}, and aws.vpc_id is "
                f"{self.config.vpc_id}: mend the one of the two that is wrong"
            )
        seen, subnets = self._read(group, ours=False), found.get(Subnets)
        shut = self._shut(seen, subnets.cidrs) if subnets else []
        return replace(seen, notes=tuple(f"aws.security_group_id: {given} {one}: add the rule" for one in shut))

    @staticmethod
    def _read(group: SecurityGroupTypeDef, *, ours: bool) -> SecurityGroup:
        name = group["GroupId"]
        return SecurityGroup(
            id=name,
            ours=ours,
            cidrs_let_in=_let_through(group.get("IpPermissions", []), name),
            cidrs_let_out=_let_through(group.get("IpPermissionsEgress", []), name),
        )

    @staticmethod
    def _shut(group: SecurityGroup, cidrs: Iterable[str]) -> list[str]:
        """What the group does not let through that the path needs."""
        shut_in, shut_out = group.shut_in(cidrs), group.shut_out(cidrs)
        return [
            *([f"does not let tcp/{HTTPS} in from {', '.join(shut_in)}"] if shut_in else []),
            *([f"does not let tcp/{HTTPS} out to {', '.join(shut_out)}"] if shut_out else []),
        ]

    def create(self, found: Found) -> None:
        with refusing_doubles("InvalidGroup.Duplicate"):
            self.ec2.create_security_group(
                GroupName=self.config.resource_name,
                Description=f"S3 interface endpoint and load balancer of the private path {self.config.name}",
                VpcId=self.config.vpc_id,
                TagSpecifications=self.tagged("security-group"),
            )

    def drift(self, resource: SecurityGroup, found: Found) -> str | None:
        if not resource.ours:
            return None
        return next(iter(self._shut(resource, self._cidrs(found))), None)

    def _cidrs(self, found: Found) -> tuple[str, ...]:
        """Of the subnets that are asked for, and of those that the load balancer cannot leave: it sends from there."""
        balancer = found.get(LoadBalancer)
        kept = tuple(s for s in balancer.subnet_ids if s not in self.config.subnet_ids) if balancer else ()
        if kept and kept not in self._kept:
            seen = self.ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": list(kept)}])["Subnets"]
            self._kept[kept] = tuple(sorted(subnet["CidrBlock"] for subnet in seen if subnet.get("CidrBlock")))
        return (*found[Subnets].cidrs, *self._kept.get(kept, ()))

    def update(self, resource: SecurityGroup, found: Found) -> SecurityGroup | None:
        cidrs = self._cidrs(found)
        shut_in, shut_out = resource.shut_in(cidrs), resource.shut_out(cidrs)
        whose = "load balancer's subnet" if shut_in else "endpoint's subnet"
        rule: IpPermissionTypeDef = {
            "IpProtocol": "tcp",
            "FromPort": HTTPS,
            "ToPort": HTTPS,
            "IpRanges": [{"CidrIp": cidr, "Description": whose} for cidr in shut_in or shut_out],
        }
        try:
            if shut_in:
                self.ec2.authorize_security_group_ingress(GroupId=resource.id, IpPermissions=[rule])
            else:
                self.ec2.authorize_security_group_egress(GroupId=resource.id, IpPermissions=[rule])
        except ClientError as error:
            # Another run, or a request whose reply was lost, has let some of them in: `find` will see which.
            if error_code(error) == "InvalidPermission.Duplicate":
                return None
            raise
        if shut_in:
            return replace(resource, cidrs_let_in=resource.cidrs_let_in.union(shut_in))
        return replace(resource, cidrs_let_out=resource.cidrs_let_out.union(shut_out))

    def delete(self, resource: SecurityGroup, found: Found) -> None:
        try:
            self.ec2.delete_security_group(GroupId=resource.id)
        except ClientError as error:
            if error_code(error) != "DependencyViolation":
                raise
            endpoint = found.get(InterfaceEndpoint)
            if endpoint is not None and not endpoint.ours and resource.id in endpoint.group_ids:
                raise NotYet(
                    f"security group {resource.id} is on the given endpoint {endpoint.id}, which is not this path's to "
                    f"change: aws ec2 modify-vpc-endpoint --vpc-endpoint-id {endpoint.id} --remove-security-group-ids "
                    f"{resource.id} --add-security-group-ids <another>, then run destroy again"
                ) from error
            naming = self._naming(resource.id)
            until = f"Waiting does not end this: take {resource.id} out of the rules of {', '.join(naming)}, then run "
            raise StillInUse(
                f"{self.refusal(error)}{self._holders(resource.id, naming)}",
                until=f"{until}destroy again" if naming else "",
            ) from error

    def _holders(self, group: str, naming: Sequence[str]) -> str:
        """Which network interfaces have it, and which other groups name it: AWS's refusal does not say."""
        having: list[FilterTypeDef] = [{"Name": "group-id", "Values": [group]}]
        seen = self.ec2.describe_network_interfaces(Filters=having)["NetworkInterfaces"]
        names = sorted(f"{i['NetworkInterfaceId']} ({i.get('Description') or 'no description'})" for i in seen)
        names += [f"named by a rule of {other}" for other in naming]
        return f": on {', '.join(names)}" if names else ""

    def _naming(self, group: str) -> list[str]:
        """The other groups that have a rule for it."""
        both = ("ip-permission.group-id", "egress.ip-permission.group-id")
        named: set[str] = set()
        for one in both:
            answer = self.ec2.describe_security_groups(Filters=[{"Name": one, "Values": [group]}])
            named |= {seen["GroupId"] for seen in answer["SecurityGroups"]}
        return sorted(named - {group})


@dataclass(frozen=True)
class Address:
    """Of one of the endpoint's network interfaces."""

    ip: str
    subnet_id: str
    zone: str


@dataclass(frozen=True, kw_only=True)
class InterfaceEndpoint(Resource):
    unseen_codes = ("InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound")

    dns_name: str
    """The regional name with `*` as its first label."""
    addresses: tuple[Address, ...] = ()
    policy: str
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    private_dns: bool

    @property
    def ips(self) -> tuple[str, ...]:
        return tuple(one.ip for one in self.addresses)

    @property
    def bucket_host(self) -> str:
        """The host that serves every bucket in path style."""
        return self.dns_name.replace("*", "bucket", 1)


def _canonical(policy: str) -> Any:
    try:
        return json.loads(policy)
    except ValueError:
        return policy


class S3InterfaceEndpoint(AwsStep[InterfaceEndpoint]):
    kind = InterfaceEndpoint
    title = "interface endpoint"

    def find(self, found: Found) -> InterfaceEndpoint | None:
        own, others = self._tagged()
        if others:
            raise self._others(others)
        if self.config.endpoint_id:
            return self._given(self.config.endpoint_id, {e["VpcEndpointId"] for e in own})
        if not own:
            self._refuse_untagged(found)
            return None
        kept, *rest = self._by_preference(own)
        doubles = tuple(other["VpcEndpointId"] for other in rest)
        return replace(self._read(kept, ours=True), doubles=doubles)

    def leftover(self, found: Found) -> InterfaceEndpoint | None:
        """Where another endpoint is given by now, what this path made before."""
        given = self.config.endpoint_id
        marked, others = self._tagged()
        own = [e for e in marked if e["VpcEndpointId"] != given]
        if own:
            kept, *rest = self._by_preference(own)
            return replace(self._read(kept, ours=True), doubles=tuple(e["VpcEndpointId"] for e in rest))
        if others:
            raise self._others(others)
        if not given:
            self._refuse_untagged(found)
            return None
        # It is nobody's to delete, and may be gone by now.
        with suppress(Conflict):
            return self._given(given, set())
        return None

    def _tagged(self) -> tuple[list[VpcEndpointTypeDef], list[str]]:
        """What carries the path's tag: those of its shape, and in words those of another. Raises Unsure for one that
        is in another VPC."""
        own: list[VpcEndpointTypeDef] = []
        others: list[str] = []
        tagged = self.ec2.describe_vpc_endpoints(Filters=self.by_tag())["VpcEndpoints"]
        for seen in tagged:
            name, shape = seen["VpcEndpointId"], (seen.get("VpcEndpointType"), seen.get("ServiceName"))
            if seen["State"].lower() in ("deleting", "deleted"):
                continue
            if shape != ("Interface", self._service):
                others.append(f"{name} ({listed(shape)})")
            elif not self.is_ours(f"interface endpoint {name}", seen.get("Tags", [])):
                continue
            elif seen.get("VpcId") != self.config.vpc_id:
                raise self.elsewhere(f"interface endpoint {name}", seen.get("VpcId"))
            else:
                own.append(seen)
        return own, others

    def _as_made(self, seen: VpcEndpointTypeDef) -> bool:
        """Whether it has the name, too, that the path gives: of several with its tag, only such are its doubles."""
        return any(t.get("Key") == "Name" and t.get("Value") == self.config.resource_name for t in seen.get("Tags", []))

    @staticmethod
    def _others(others: Sequence[str]) -> Unsure:
        return Unsure(
            f"the path's tag is on {', '.join(others)}, which is no S3 interface endpoint and none of this path's: "
            f"take it off: aws ec2 delete-tags --resources {others[0].partition(' ')[0]} --tags Key={PATH_TAG}"
        )

    @property
    def _service(self) -> str:
        return f"com.amazonaws.{self.config.region}.s3"

    def _refuse_untagged(self, found: Found) -> None:
        """An endpoint that the path's load balancer sends traffic to, or that has the path's security group, and has
        lost its tag: a second one would have another name, and every Route and rule would have to change.

        Raises Unsure.
        """
        here: list[FilterTypeDef] = [
            {"Name": "vpc-id", "Values": [self.config.vpc_id]},
            {"Name": "service-name", "Values": [self._service]},
        ]
        candidates = [
            seen
            for seen in self.ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
            if seen.get("VpcEndpointType") == "Interface"
            and seen["State"].lower() not in ("deleting", "deleted")
            # Another run's, made since the tag was asked for, is found when it is double.
            and not self.is_ours(f"interface endpoint {seen['VpcEndpointId']}", seen.get("Tags", []))
        ]
        if not candidates:
            return
        group, registered = found.get(SecurityGroup), self._registered()
        for seen in candidates:
            name = f"interface endpoint {seen['VpcEndpointId']}"
            if registered.intersection(self._ips(seen)):
                why = f"serves the target group {self.config.resource_name}"
            elif group and group.ours and group.id in (one["GroupId"] for one in seen.get("Groups", [])):
                why = f"has the path's security group {group.id}"
            else:
                continue
            raise self.mark.lost(name, seen["VpcEndpointId"], why)

    def _by_preference(self, alive: Sequence[VpcEndpointTypeDef]) -> list[VpcEndpointTypeDef]:
        """What the load balancer sends traffic to, then what works, then the oldest. Two runs at once may make two
        endpoints: every run that sees both chooses alike, and what comes after the first carries nothing."""
        if len(alive) == 1:
            return list(alive)
        registered = self._registered()
        addresses = {one["VpcEndpointId"]: self._ips(one) for one in alive}
        carrying = [endpoint for endpoint, ips in addresses.items() if registered.intersection(ips)]
        if len(carrying) > 1:
            raise Unsure(
                f"the interface endpoints {', '.join(carrying)} carry this path's tag, and the target group "
                f"{self.config.resource_name} sends traffic to all of them: deregister and delete all but one"
            )
        made = sorted(one["CreationTimestamp"] for one in alive)
        alone = [one["VpcEndpointId"] for one in alive if not self._as_made(one)]
        if alone:
            raise Unsure(
                f"the interface endpoints {', '.join(addresses)} carry this path's tag, and {', '.join(alone)} has no "
                f"tag Name={self.config.resource_name}, with which the path makes them: take the tag off what is "
                f"not its own: aws ec2 delete-tags --resources <id> --tags Key={PATH_TAG}"
            )
        if made[-1] - made[0] > AT_ONCE:
            raise Unsure(
                f"the interface endpoints {', '.join(addresses)} carry this path's tag, and were made more than "
                f"{AT_ONCE.total_seconds() / 3600:.0f} hours apart, not by two runs at once: delete the one that is "
                f"not needed, or take the tag off: aws ec2 delete-tags --resources <id> --tags Key={PATH_TAG}"
            )
        return sorted(
            alive,
            key=lambda one: (
                one["VpcEndpointId"] not in carrying,
                one["State"].lower() not in ("available", "pending"),
                one["CreationTimestamp"],
                one["VpcEndpointId"],
            ),
        )

    def _registered(self) -> set[str]:
        """The addresses in the path's target group, which a later step makes."""
        try:
            group = self.elbv2.describe_target_groups(Names=[self.config.resource_name])["TargetGroups"][0]
        except ClientError as error:
            if error_code(error) == "TargetGroupNotFound":
                return set()
            raise
        health = self.elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        return {target["Target"]["Id"] for target in health if target["TargetHealth"].get("State") != "draining"}

    def _ips(self, seen: VpcEndpointTypeDef) -> tuple[str, ...]:
        return tuple(one.ip for one in self._addresses(seen))

    def _addresses(self, seen: VpcEndpointTypeDef) -> tuple[Address, ...]:
        interfaces = seen.get("NetworkInterfaceIds")
        if not interfaces:
            return ()
        try:
            described = self.ec2.describe_network_interfaces(NetworkInterfaceIds=interfaces)["NetworkInterfaces"]
        except ClientError as error:
            # Deleted since the endpoint was read, as another run does with a double.
            if error_code(error) == "InvalidNetworkInterfaceID.NotFound":
                return ()
            raise
        found = [
            Address(i["PrivateIpAddress"], i.get("SubnetId", ""), i.get("AvailabilityZone", ""))
            for i in described
            if "PrivateIpAddress" in i
        ]
        return tuple(sorted(found, key=lambda one: one.ip))

    def _given(self, given: str, own: set[str]) -> InterfaceEndpoint:
        """Used as it is. One that this path made before is named, and left until destroy: somebody may use it still."""
        try:
            seen = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[given])["VpcEndpoints"][0]
        except ClientError as error:
            if error_code(error) == "InvalidVpcEndpointId.NotFound":
                raise Conflict(f"aws.endpoint_id: {self.refusal(error)}") from error
            raise
        shape = (seen.get("VpcEndpointType"), seen.get("ServiceName"), seen.get("VpcId"))
        wanted = ("Interface", self._service, self.config.vpc_id)
        if shape != wanted:
            raise Conflict(f"aws.endpoint_id: {given} is {listed(shape)}, and the path needs {listed(wanted)}")
        notes = tuple(
            f"interface endpoint {one} was made by this path and is no longer used by it, but costs money every hour. "
            "Destroy removes it; sooner, when nothing else uses it: "
            f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {one}"
            for one in sorted(own - {given})
        )
        return replace(self._read(seen, ours=False), notes=notes)

    def _read(self, seen: VpcEndpointTypeDef, *, ours: bool) -> InterfaceEndpoint:
        word: str = seen["State"]
        state = {"available": State.READY, "pending": State.PENDING}.get(word.lower(), State.FAILED)
        names = [entry["DnsName"] for entry in seen.get("DnsEntries", [])]
        regional = [name for name in names if is_regional_name(name, self.config.region, seen["VpcEndpointId"])]
        if names and not regional:
            raise Conflict(
                f"interface endpoint {seen['VpcEndpointId']}: {', '.join(names)} is no S3 endpoint's name in "
                f"{self.config.region}: no Route is written for it"
            )
        addresses = self._addresses(seen) if state is State.READY else ()
        bare = sorted(set(seen.get("SubnetIds", [])) - {one.subnet_id for one in addresses})
        if state is State.READY and not (names and addresses):
            state, word = State.PENDING, "available, without its DNS names or addresses yet"
        elif state is State.READY and bare:
            state, word = State.PENDING, f"available, without an address in {', '.join(bare)} yet"
        return InterfaceEndpoint(
            id=seen["VpcEndpointId"],
            state=state,
            detail=word,
            ours=ours,
            dns_name=regional[0] if regional else "",
            addresses=addresses,
            policy=seen.get("PolicyDocument", ""),
            subnet_ids=tuple(sorted(seen.get("SubnetIds", []))),
            group_ids=tuple(sorted(g["GroupId"] for g in seen.get("Groups", []))),
            private_dns=bool(seen.get("PrivateDnsEnabled")),
        )

    def create(self, found: Found) -> None:
        self.ec2.create_vpc_endpoint(
            ClientToken=str(uuid.uuid4()),
            VpcEndpointType="Interface",
            VpcId=self.config.vpc_id,
            ServiceName=self._service,
            SubnetIds=list(self.config.subnet_ids),
            SecurityGroupIds=[found[SecurityGroup].id],
            PolicyDocument=json.dumps(self.config.endpoint_policy),
            PrivateDnsEnabled=False,
            TagSpecifications=self.tagged("vpc-endpoint"),
        )

    def check(self, resource: InterfaceEndpoint, found: Found) -> None:
        subnets, balancer = found[Subnets], found.get(LoadBalancer)
        if not resource.ours:
            served = {*subnets.zones.values(), *(balancer.zones if balancer else ())}
            if outside := sorted({one.zone for one in resource.addresses} - served - {""}):
                raise Conflict(
                    f"aws.endpoint_id: {resource.id} is in {', '.join(outside)}, too, where the load balancer sends "
                    "nothing: name a subnet of that zone in aws.subnet_ids as well"
                )
            return
        held = {one.zone: one.subnet_id for one in resource.addresses}
        for subnet, zone in subnets.zones.items():
            if balancer is not None:
                balancer.check_zone(subnet, zone)
            if (other := held.get(zone, subnet)) != subnet and subnet not in resource.subnet_ids:
                raise Conflict(
                    f"aws.subnet_ids: {subnet} is in {zone}, where interface endpoint {resource.id} is in {other}: AWS "
                    f"exchanges no subnet within a zone. Take it out of {other} first: aws ec2 modify-vpc-endpoint "
                    f"--vpc-endpoint-id {resource.id} --remove-subnet-ids {other}, and reads that go by that address "
                    "fail, and are asked again, until the load balancer has seen that it is gone (30 s)"
                )

    def drift(self, resource: InterfaceEndpoint, found: Found) -> str | None:
        if resource.doubles:
            return f"{', '.join(resource.doubles)} too: made by another run at once, carries nothing: deleted"
        if not resource.ours or resource.state is not State.READY:
            return None
        return next(iter(self._differences(resource, found)), None)

    def _differences(self, resource: InterfaceEndpoint, found: Found) -> dict[str, dict[str, Any]]:
        """Each difference in words, with the arguments that mend it."""
        group = found[SecurityGroup].id
        different: dict[str, dict[str, Any]] = {}
        if _canonical(resource.policy) != self.config.endpoint_policy:
            different["its policy is not the one for the named buckets"] = {
                "PolicyDocument": json.dumps(self.config.endpoint_policy)
            }
        if missing := [s for s in self.config.subnet_ids if s not in resource.subnet_ids]:
            different[f"not in {', '.join(missing)}: added, which interrupts nothing"] = {"AddSubnetIds": missing}
        if group not in resource.group_ids:
            different[f"without security group {group}"] = {"AddSecurityGroupIds": [group]}
        if resource.private_dns:
            different["private DNS is on"] = {"PrivateDnsEnabled": False}
        return different

    def update(self, resource: InterfaceEndpoint, found: Found) -> None:
        if resource.doubles:
            self._delete(resource.doubles)
            return
        arguments = next(iter(self._differences(resource, found).values()))
        self.ec2.modify_vpc_endpoint(VpcEndpointId=resource.id, **arguments)

    def delete(self, resource: InterfaceEndpoint, found: Found) -> None:
        self._delete((*resource.doubles, resource.id))

    def _delete(self, ids: Sequence[str]) -> None:
        answer = self.ec2.delete_vpc_endpoints(VpcEndpointIds=list(ids))
        raise_unsuccessful(answer.get("Unsuccessful", []), "DeleteVpcEndpoints")


def raise_unsuccessful(unsuccessful: Any, operation: str) -> None:
    """EC2 answers 200 with a list of what it did not do: make it the error that it is."""
    for item in unsuccessful:
        error = item.get("Error", {})
        raise ClientError({"Error": {"Code": error.get("Code", ""), "Message": error.get("Message", "")}}, operation)
