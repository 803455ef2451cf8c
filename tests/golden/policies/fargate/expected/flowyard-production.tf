# What acme-flows needs in AWS for its target production: account 123456789012, region eu-west-1.
# Made by `python build.py policies --terraform`; make it anew rather than edit it.

# ci: ships.
data "aws_iam_policy_document" "flowyard_production_ci_trust" {
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
      values   = ["repo:acme/flows:ref:refs/heads/main"]
    }
  }
}

resource "aws_iam_role" "flowyard_production_ci" {
  name               = "acme-flows-production-ci"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_production_ci_trust.json
}

data "aws_iam_policy_document" "flowyard_production_ci" {
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
    resources = ["arn:aws:ecr:eu-west-1:123456789012:repository/flows/*"]
  }

  statement {
    sid       = "FindRepositories"
    actions   = ["ecr:DescribeRepositories"]
    resources = ["arn:aws:ecr:eu-west-1:123456789012:repository/flows/*"]
  }

  statement {
    sid       = "MakeRepositories"
    actions   = ["ecr:CreateRepository", "ecr:TagResource"]
    resources = ["arn:aws:ecr:eu-west-1:123456789012:repository/flows/*"]
  }

  statement {
    sid       = "EncryptRepositories"
    actions   = ["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"]
    resources = ["arn:aws:kms:eu-west-1:123456789012:key/*"]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "kms:ResourceAliases"
      values   = ["alias/flows"]
    }
  }

  statement {
    sid       = "ExpireImages"
    actions   = ["ecr:GetLifecyclePolicy", "ecr:ListImages", "ecr:PutLifecyclePolicy"]
    resources = ["arn:aws:ecr:eu-west-1:123456789012:repository/flows/*"]
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
    resources = ["arn:aws:ecs:eu-west-1:123456789012:task-definition/flowyard-acme-flows-production-*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterTaskDefinition"]
    }
  }

  statement {
    sid       = "PassRolesToTasks"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::123456789012:role/flows/acme-execution", "arn:aws:iam::123456789012:role/acme-task"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid     = "SeeSecrets"
    actions = ["secretsmanager:DescribeSecret"]
    resources = [
      "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-GhIjKl",
      "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prefect-AbCdEf",
    ]
  }

  statement {
    sid       = "SeeParameters"
    actions   = ["ssm:DescribeParameters"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "flowyard_production_ci" {
  name   = "acme-flows-production-ci"
  policy = data.aws_iam_policy_document.flowyard_production_ci.json
}

resource "aws_iam_role_policy_attachment" "flowyard_production_ci" {
  role       = aws_iam_role.flowyard_production_ci.name
  policy_arn = aws_iam_policy.flowyard_production_ci.arn
}

# worker: polls Prefect and starts the tasks.
data "aws_iam_policy_document" "flowyard_production_worker_trust" {
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

resource "aws_iam_role" "flowyard_production_worker" {
  name               = "acme-flows-production-worker"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_production_worker_trust.json
}

data "aws_iam_policy_document" "flowyard_production_worker" {
  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["arn:aws:ecs:eu-west-1:123456789012:task-definition/flowyard-acme-flows-production-*:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = ["arn:aws:ecs:eu-west-1:123456789012:cluster/flows"]
    }
  }

  statement {
    sid       = "TagTasks"
    actions   = ["ecs:TagResource"]
    resources = ["arn:aws:ecs:eu-west-1:123456789012:task/flows/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "StopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:aws:ecs:eu-west-1:123456789012:task/flows/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "PassRolesToTasks"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::123456789012:role/flows/acme-execution", "arn:aws:iam::123456789012:role/acme-task"]

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
    resources = ["arn:aws:sqs:eu-west-1:123456789012:ecs-production-ecs-events"]
  }

  statement {
    sid       = "ReadLogs"
    actions   = ["logs:GetLogEvents"]
    resources = ["arn:aws:logs:eu-west-1:123456789012:log-group:/flows/production:*"]
  }
}

resource "aws_iam_policy" "flowyard_production_worker" {
  name   = "acme-flows-production-worker"
  policy = data.aws_iam_policy_document.flowyard_production_worker.json
}

resource "aws_iam_role_policy_attachment" "flowyard_production_worker" {
  role       = aws_iam_role.flowyard_production_worker.name
  policy_arn = aws_iam_policy.flowyard_production_worker.arn
}

# execution: is ECS, before the flow starts: pulls the image, reads secrets, writes logs.
data "aws_iam_policy_document" "flowyard_production_execution_trust" {
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

resource "aws_iam_role" "flowyard_production_execution" {
  name               = "acme-execution"
  path               = "/flows/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_production_execution_trust.json
}

data "aws_iam_policy_document" "flowyard_production_execution" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:aws:ecr:eu-west-1:123456789012:repository/flows/*"]
  }

  statement {
    sid     = "ReadSecrets"
    actions = ["secretsmanager:GetSecretValue"]
    resources = [
      "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-GhIjKl",
      "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prefect-AbCdEf",
    ]
  }

  statement {
    sid       = "ReadParameters"
    actions   = ["ssm:GetParameters"]
    resources = ["arn:aws:ssm:eu-west-1:123456789012:parameter/etl/token"]
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = ["arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"]
  }

  statement {
    sid     = "WriteLogs"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [
      "arn:aws:logs:eu-west-1:123456789012:log-group:/flows/production",
      "arn:aws:logs:eu-west-1:123456789012:log-group:/flows/production:*",
    ]
  }
}

resource "aws_iam_policy" "flowyard_production_execution" {
  name   = "acme-execution"
  policy = data.aws_iam_policy_document.flowyard_production_execution.json
}

resource "aws_iam_role_policy_attachment" "flowyard_production_execution" {
  role       = aws_iam_role.flowyard_production_execution.name
  policy_arn = aws_iam_policy.flowyard_production_execution.arn
}

# task: is the flow's own code.
data "aws_iam_policy_document" "flowyard_production_task_trust" {
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

resource "aws_iam_role" "flowyard_production_task" {
  name               = "acme-task"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_production_task_trust.json
}

data "aws_iam_policy_document" "flowyard_production_task" {
  statement {
    sid       = "KeepResults"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["arn:aws:s3:::acme-results/production/*"]
  }

  statement {
    sid       = "SeeResults"
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws:s3:::acme-results"]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["production/*"]
    }
  }

  statement {
    sid       = "EncryptResults"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"]
  }

  statement {
    sid = "ExecuteCommands"
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "flowyard_production_task" {
  name   = "acme-task"
  policy = data.aws_iam_policy_document.flowyard_production_task.json
}

resource "aws_iam_role_policy_attachment" "flowyard_production_task" {
  role       = aws_iam_role.flowyard_production_task.name
  policy_arn = aws_iam_policy.flowyard_production_task.arn
}

# run: follows runs, and reads results.
data "aws_iam_policy_document" "flowyard_production_run" {
  statement {
    sid       = "FollowTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["arn:aws:ecs:eu-west-1:123456789012:task/flows/*"]
  }

  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadLogs"
    actions   = ["logs:GetLogEvents"]
    resources = ["arn:aws:logs:eu-west-1:123456789012:log-group:/flows/production:*"]
  }

  statement {
    sid       = "ReadResults"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::acme-results/production/*"]
  }

  statement {
    sid       = "DecryptResults"
    actions   = ["kms:Decrypt"]
    resources = ["arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"]
  }
}

resource "aws_iam_policy" "flowyard_production_run" {
  name   = "acme-flows-production-run"
  policy = data.aws_iam_policy_document.flowyard_production_run.json
}
