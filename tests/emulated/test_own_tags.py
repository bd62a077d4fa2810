"""`aws.tags`: on whatever is made, from the call that makes it on; never held against anybody afterwards."""

from __future__ import annotations

from emulated.ground import Ground
from s3private.provision.engine import Outcome

TAGS = {"cost-center": "1234", "Team/Größe": "a b", "empty": ""}


def held(ground: Ground) -> dict[str, dict[str, str]]:
    """The tags of each thing that carries this path's, by its id or ARN."""
    ec2, elbv2 = ground.clients.ec2, ground.clients.elbv2
    found: dict[str, dict[str, str]] = {}
    for tag in ec2.describe_tags()["Tags"]:
        found.setdefault(tag["ResourceId"], {})[tag["Key"]] = tag["Value"]
    balancer = elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listener = elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
    group = elbv2.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    for described in elbv2.describe_tags(ResourceArns=[balancer, listener, group])["TagDescriptions"]:
        found[described["ResourceArn"]] = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
    return {thing: tags for thing, tags in found.items() if tags.get("s3private:path") == "demo"}


def test_whatever_is_made_has_the_tags_when_it_is_made_and_nobody_fights_for_them(ground: Ground) -> None:
    text = ground.file.read_text(encoding="utf-8")
    table = ", ".join(f'"{key}" = "{value}"' for key, value in TAGS.items())
    tagged = text.replace("[s3]", f"tags = {{ {table} }}\n\n[s3]", 1)
    ground.file.write_text(tagged, encoding="utf-8")
    assert ground.provision().outcome is Outcome.SETTLED
    made = held(ground)
    kinds = sorted(
        thing.rsplit("-", 1)[0] if thing[:3] != "arn" else thing.split(":")[-1].split("/")[0] for thing in made
    )
    assert kinds == ["listener", "loadbalancer", "sg", "targetgroup", "vpce", "vpce-svc"]
    assert all(TAGS.items() <= tags.items() and tags["Name"] == "s3private-demo" for tags in made.values())
    assert [one.operation for one in ground.emulator.log.writes() if "Tags" in one.operation] == []
    some = [thing for thing in made if thing.startswith("vpce")]
    ground.hand.ec2.delete_tags(Resources=some, Tags=[{"Key": "cost-center"}])
    ground.file.write_text(tagged.replace('"1234"', '"5678"'), encoding="utf-8")
    mark = ground.emulator.log.mark()
    assert ground.provision().outcome is Outcome.SETTLED
    ground.file.write_text(text, encoding="utf-8")
    assert ground.plan().outcome is Outcome.SETTLED
    assert ground.emulator.log.writes(mark) == []
    assert {thing: tags for thing, tags in held(ground).items() if thing not in some} == {
        thing: tags for thing, tags in made.items() if thing not in some
    }
