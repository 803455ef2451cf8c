# What acme-flows needs in AWS for its target beijing: account 123456789012, region cn-north-1.
# Made by `python build.py policies --terraform`; make it anew rather than edit it.

# ci: ships.
data "aws_iam_policy_document" "flowyard_beijing_ci_trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = ["arn:aws-cn:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:acme@1234/flows@5678:environment:production"]
    }
  }
}

resource "aws_iam_role" "flowyard_beijing_ci" {
  name               = "acme-flows-beijing-ci"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_beijing_ci_trust.json
}

data "aws_iam_policy_document" "flowyard_beijing_ci" {
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
    resources = ["arn:aws-cn:ecr:cn-north-1:999999999999:repository/acme/*/image"]
  }

  statement {
    sid       = "FindRepositories"
    actions   = ["ecr:DescribeRepositories"]
    resources = ["arn:aws-cn:ecr:cn-north-1:999999999999:repository/acme/*/image"]
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
    resources = ["arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/flowyard-acme-flows-beijing-*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterTaskDefinition"]
    }
  }

  statement {
    sid     = "PassRolesToTasks"
    actions = ["iam:PassRole"]
    resources = [
      "arn:aws-cn:iam::123456789012:role/beijing-execution",
      "arn:aws-cn:iam::123456789012:role/acme-flows-beijing-task",
    ]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "flowyard_beijing_ci" {
  name   = "acme-flows-beijing-ci"
  policy = data.aws_iam_policy_document.flowyard_beijing_ci.json
}

resource "aws_iam_role_policy_attachment" "flowyard_beijing_ci" {
  role       = aws_iam_role.flowyard_beijing_ci.name
  policy_arn = aws_iam_policy.flowyard_beijing_ci.arn
}

# worker: polls Prefect and starts the tasks.
data "aws_iam_policy_document" "flowyard_beijing_worker_trust" {
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

resource "aws_iam_role" "flowyard_beijing_worker" {
  name               = "acme-flows-beijing-worker"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_beijing_worker_trust.json
}

data "aws_iam_policy_document" "flowyard_beijing_worker" {
  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/flowyard-acme-flows-beijing-*:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = ["arn:aws-cn:ecs:cn-north-1:123456789012:cluster/default"]
    }
  }

  statement {
    sid       = "TagTasks"
    actions   = ["ecs:TagResource"]
    resources = ["arn:aws-cn:ecs:cn-north-1:123456789012:task/default/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "StopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:aws-cn:ecs:cn-north-1:123456789012:task/default/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid     = "PassRolesToTasks"
    actions = ["iam:PassRole"]
    resources = [
      "arn:aws-cn:iam::123456789012:role/beijing-execution",
      "arn:aws-cn:iam::123456789012:role/acme-flows-beijing-task",
    ]

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

  statement {
    sid       = "HearOfTasks"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
    resources = ["arn:aws-cn:sqs:cn-north-1:123456789012:ecs-beijing-ecs-events"]
  }
}

resource "aws_iam_policy" "flowyard_beijing_worker" {
  name   = "acme-flows-beijing-worker"
  policy = data.aws_iam_policy_document.flowyard_beijing_worker.json
}

resource "aws_iam_role_policy_attachment" "flowyard_beijing_worker" {
  role       = aws_iam_role.flowyard_beijing_worker.name
  policy_arn = aws_iam_policy.flowyard_beijing_worker.arn
}

# execution: is ECS, before the flow starts: pulls the image, reads secrets, writes logs.
data "aws_iam_policy_document" "flowyard_beijing_execution_trust" {
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

resource "aws_iam_role" "flowyard_beijing_execution" {
  name               = "beijing-execution"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_beijing_execution_trust.json
}

data "aws_iam_policy_document" "flowyard_beijing_execution" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:aws-cn:ecr:cn-north-1:999999999999:repository/acme/*/image"]
  }
}

resource "aws_iam_policy" "flowyard_beijing_execution" {
  name   = "beijing-execution"
  policy = data.aws_iam_policy_document.flowyard_beijing_execution.json
}

resource "aws_iam_role_policy_attachment" "flowyard_beijing_execution" {
  role       = aws_iam_role.flowyard_beijing_execution.name
  policy_arn = aws_iam_policy.flowyard_beijing_execution.arn
}

# task: is the flow's own code.
data "aws_iam_policy_document" "flowyard_beijing_task_trust" {
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

resource "aws_iam_role" "flowyard_beijing_task" {
  name               = "acme-flows-beijing-task"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_beijing_task_trust.json
}

data "aws_iam_policy_document" "flowyard_beijing_task" {
  statement {
    sid       = "KeepResults"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["arn:aws-cn:s3:::acme-results-cn/flows/*"]
  }

  statement {
    sid       = "SeeResults"
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws-cn:s3:::acme-results-cn"]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["flows/*"]
    }
  }
}

resource "aws_iam_policy" "flowyard_beijing_task" {
  name   = "acme-flows-beijing-task"
  policy = data.aws_iam_policy_document.flowyard_beijing_task.json
}

resource "aws_iam_role_policy_attachment" "flowyard_beijing_task" {
  role       = aws_iam_role.flowyard_beijing_task.name
  policy_arn = aws_iam_policy.flowyard_beijing_task.arn
}

# run: follows runs, and reads results.
data "aws_iam_policy_document" "flowyard_beijing_run" {
  statement {
    sid       = "FollowTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["arn:aws-cn:ecs:cn-north-1:123456789012:task/default/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadResults"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws-cn:s3:::acme-results-cn/flows/*"]
  }
}

resource "aws_iam_policy" "flowyard_beijing_run" {
  name   = "acme-flows-beijing-run"
  policy = data.aws_iam_policy_document.flowyard_beijing_run.json
}
