# What acme-flows needs in AWS for its target cloud: account 123456789012, region eu-central-1.
# Made by `python build.py policies --terraform`; make it anew rather than edit it.

# ci: ships.
data "aws_iam_policy_document" "flowyard_cloud_ci" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "PushImages"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = ["arn:aws:ecr:eu-central-1:123456789012:repository/flows/*"]
  }

  statement {
    sid       = "FindRepositories"
    actions   = ["ecr:DescribeRepositories"]
    resources = ["arn:aws:ecr:eu-central-1:123456789012:repository/flows/*"]
  }

  statement {
    sid = "KeepTaskDefinitions"
    actions = [
      "ecs:DeregisterTaskDefinition",
      "ecs:DescribeTaskDefinition",
      "ecs:ListTaskDefinitions",
      "ecs:RegisterTaskDefinition",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "TagTaskDefinitions"
    actions   = ["ecs:TagResource"]
    resources = ["arn:aws:ecs:eu-central-1:123456789012:task-definition/flowyard-acme-flows-cloud-*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterTaskDefinition"]
    }
  }

  statement {
    sid       = "PassRolesToTasks"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::123456789012:role/cloud-execution"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "flowyard_cloud_ci" {
  name   = "flows-ci"
  policy = data.aws_iam_policy_document.flowyard_cloud_ci.json
}

# push: lets Prefect Cloud start the tasks.
data "aws_iam_policy_document" "flowyard_cloud_push" {
  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["arn:aws:ecs:eu-central-1:123456789012:task-definition/flowyard-acme-flows-cloud-*:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = ["arn:aws:ecs:eu-central-1:123456789012:cluster/default"]
    }
  }

  statement {
    sid       = "TagTasks"
    actions   = ["ecs:TagResource"]
    resources = ["arn:aws:ecs:eu-central-1:123456789012:task/default/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "StopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:aws:ecs:eu-central-1:123456789012:task/default/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "PassRolesToTasks"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::123456789012:role/cloud-execution"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "FindNetwork"
    actions   = ["ec2:DescribeSubnets", "ec2:DescribeVpcs"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "flowyard_cloud_push" {
  name   = "flows-push"
  policy = data.aws_iam_policy_document.flowyard_cloud_push.json
}

# execution: is ECS, before the flow starts: pulls the image, reads secrets, writes logs.
data "aws_iam_policy_document" "flowyard_cloud_execution_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = ["123456789012"]
    }
  }
}

resource "aws_iam_role" "flowyard_cloud_execution" {
  name               = "cloud-execution"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_cloud_execution_trust.json
}

data "aws_iam_policy_document" "flowyard_cloud_execution" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:aws:ecr:eu-central-1:123456789012:repository/flows/*"]
  }
}

resource "aws_iam_policy" "flowyard_cloud_execution" {
  name   = "cloud-execution"
  policy = data.aws_iam_policy_document.flowyard_cloud_execution.json
}

resource "aws_iam_role_policy_attachment" "flowyard_cloud_execution" {
  role       = aws_iam_role.flowyard_cloud_execution.name
  policy_arn = aws_iam_policy.flowyard_cloud_execution.arn
}

# run: follows runs, and reads results.
data "aws_iam_policy_document" "flowyard_cloud_run" {
  statement {
    sid       = "FollowTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["arn:aws:ecs:eu-central-1:123456789012:task/default/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "flowyard_cloud_run" {
  name   = "flows-run"
  policy = data.aws_iam_policy_document.flowyard_cloud_run.json
}
