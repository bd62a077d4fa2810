"""Somebody who changes things by hand, behind the back of provisioning."""

from __future__ import annotations

from typing import Any

from databricks.sdk.service.settings import UpdatePrivateEndpointRule

from s3private.provision.clients import Clients

DATABRICKS = "arn:aws:iam::565502421330:role/private-connectivity-role-ap-northeast-1"


class Hand:
    """Somebody with the console open."""

    def __init__(self, clients: Clients) -> None:
        self.ec2, self.elbv2, self.account = clients.ec2, clients.elbv2, clients.account

    @property
    def balancer(self) -> Any:
        return self.elbv2.describe_load_balancers()["LoadBalancers"][0]

    @property
    def listener(self) -> str:
        arn = self.balancer["LoadBalancerArn"]
        listeners = self.elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        return next(one["ListenerArn"] for one in listeners if one["Port"] == 443)

    @property
    def target_group(self) -> Any:
        return self.elbv2.describe_target_groups(Names=["s3private-demo"])["TargetGroups"][0]

    @property
    def endpoint(self) -> Any:
        return self.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]

    @property
    def service(self) -> str:
        return self.ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"][0]["ServiceId"]

    @property
    def group(self) -> Any:
        mine: Any = [{"Name": "group-name", "Values": ["s3private-demo"]}]
        return self.ec2.describe_security_groups(Filters=mine)["SecurityGroups"][0]

    def _default_group(self) -> str:
        vpc = self.group["VpcId"]
        filters: Any = [{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [vpc]}]
        return str(self.ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"])

    def security_group_rule(self) -> None:
        self.ec2.revoke_security_group_ingress(GroupId=self.group["GroupId"], IpPermissions=self.group["IpPermissions"])

    def security_group_egress(self) -> None:
        group = self.group
        self.ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])

    def endpoint_policy(self) -> None:
        self.ec2.modify_vpc_endpoint(VpcEndpointId=self.endpoint["VpcEndpointId"], ResetPolicy=True)

    def endpoint_security_group(self) -> None:
        self.ec2.modify_vpc_endpoint(
            VpcEndpointId=self.endpoint["VpcEndpointId"],
            AddSecurityGroupIds=[self._default_group()],
            RemoveSecurityGroupIds=[self.group["GroupId"]],
        )

    def endpoint_subnet(self) -> None:
        self.ec2.modify_vpc_endpoint(
            VpcEndpointId=self.endpoint["VpcEndpointId"], RemoveSubnetIds=[self.endpoint["SubnetIds"][0]]
        )

    def health_check(self) -> None:
        self.elbv2.modify_target_group(TargetGroupArn=self.target_group["TargetGroupArn"], HealthCheckPort="80")

    def _attribute(self, key: str, value: str) -> None:
        arn = self.target_group["TargetGroupArn"]
        self.elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[{"Key": key, "Value": value}])

    def proxy_protocol(self) -> None:
        self._attribute("proxy_protocol_v2.enabled", "true")

    def client_ips(self) -> None:
        self._attribute("preserve_client_ip.enabled", "true")

    def cross_zone_of_the_group(self) -> None:
        self._attribute("load_balancing.cross_zone.enabled", "false")

    def privatelink_flag(self) -> None:
        self.elbv2.set_security_groups(
            LoadBalancerArn=self.balancer["LoadBalancerArn"],
            SecurityGroups=self.balancer["SecurityGroups"],
            EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="on",
        )

    def groups_of_the_load_balancer(self) -> None:
        self.elbv2.set_security_groups(
            LoadBalancerArn=self.balancer["LoadBalancerArn"],
            SecurityGroups=[self._default_group()],
            EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="off",
        )

    def cross_zone(self) -> None:
        self.elbv2.modify_load_balancer_attributes(
            LoadBalancerArn=self.balancer["LoadBalancerArn"],
            Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}],
        )

    def idle_timeout(self) -> None:
        self.elbv2.modify_listener_attributes(
            ListenerArn=self.listener, Attributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]
        )

    def listener_gone(self) -> None:
        self.elbv2.delete_listener(ListenerArn=self.listener)

    def target_out(self) -> None:
        arn = self.target_group["TargetGroupArn"]
        target = self.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["Target"]
        self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": target["Id"], "Port": 443}])

    def target_on_another_port(self) -> None:
        arn = self.target_group["TargetGroupArn"]
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.20.1.4", "Port": 80}])

    def acceptance(self) -> None:
        self.ec2.modify_vpc_endpoint_service_configuration(ServiceId=self.service, AcceptanceRequired=False)

    def principal(self) -> None:
        self.ec2.modify_vpc_endpoint_service_permissions(ServiceId=self.service, RemoveAllowedPrincipals=[DATABRICKS])

    def domain_names(self) -> None:
        api = self.account.network_connectivity
        (ncc,) = api.list_network_connectivity_configurations()
        ncc_id = ncc.network_connectivity_config_id or ""
        (rule,) = api.list_private_endpoint_rules(ncc_id)
        wrong = UpdatePrivateEndpointRule(domain_names=["bucket.elsewhere.example.com"])
        api.update_private_endpoint_rule(ncc_id, rule.rule_id or "", wrong, update_mask="domain_names")
