# What acme-flows needs in AWS for its target batch: account 123456789012, region us-east-1.
# Made by `python build.py policies --terraform`; make it anew rather than edit it.

# ci: ships.
data "aws_iam_policy_document" "flowyard_batch_ci_trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:acme/flows:ref:refs/heads/release/1.x"]
    }
  }
}

resource "aws_iam_role" "flowyard_batch_ci" {
  name               = "acme-flows-batch-ci"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_batch_ci_trust.json
}

data "aws_iam_policy_document" "flowyard_batch_ci" {
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
    resources = ["arn:aws:ecs:us-east-1:123456789012:task-definition/flowyard-acme-flows-batch-*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterTaskDefinition"]
    }
  }
}

resource "aws_iam_policy" "flowyard_batch_ci" {
  name   = "acme-flows-batch-ci"
  policy = data.aws_iam_policy_document.flowyard_batch_ci.json
}

resource "aws_iam_role_policy_attachment" "flowyard_batch_ci" {
  role       = aws_iam_role.flowyard_batch_ci.name
  policy_arn = aws_iam_policy.flowyard_batch_ci.arn
}

# worker: polls Prefect and starts the tasks.
data "aws_iam_policy_document" "flowyard_batch_worker_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "flowyard_batch_worker" {
  name               = "acme-flows-batch-worker"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_batch_worker_trust.json
}

resource "aws_iam_instance_profile" "flowyard_batch_worker" {
  name = "acme-flows-batch-worker"
  role = aws_iam_role.flowyard_batch_worker.name
}

data "aws_iam_policy_document" "flowyard_batch_worker" {
  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["arn:aws:ecs:us-east-1:123456789012:task-definition/flowyard-acme-flows-batch-*:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = ["arn:aws:ecs:us-east-1:123456789012:cluster/batch"]
    }
  }

  statement {
    sid       = "TagTasks"
    actions   = ["ecs:TagResource"]
    resources = ["arn:aws:ecs:us-east-1:123456789012:task/batch/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "StopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:aws:ecs:us-east-1:123456789012:task/batch/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "HearOfTasks"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
    resources = ["arn:aws:sqs:us-east-1:123456789012:tasks"]
  }
}

resource "aws_iam_policy" "flowyard_batch_worker" {
  name   = "acme-flows-batch-worker"
  policy = data.aws_iam_policy_document.flowyard_batch_worker.json
}

resource "aws_iam_role_policy_attachment" "flowyard_batch_worker" {
  role       = aws_iam_role.flowyard_batch_worker.name
  policy_arn = aws_iam_policy.flowyard_batch_worker.arn
}

# run: follows runs, and reads results.
data "aws_iam_policy_document" "flowyard_batch_run" {
  statement {
    sid       = "FollowTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["arn:aws:ecs:us-east-1:123456789012:task/batch/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "flowyard_batch_run" {
  name   = "acme-flows-batch-run"
  policy = data.aws_iam_policy_document.flowyard_batch_run.json
}
