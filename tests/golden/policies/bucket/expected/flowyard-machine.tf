# What acme-flows needs in AWS for its target machine: account 123456789012, region eu-west-1.
# Made by `python build.py policies --terraform`; make it anew rather than edit it.

# worker: is the machine of the docker worker: pulls images, and keeps results.
data "aws_iam_policy_document" "flowyard_machine_worker_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "flowyard_machine_worker" {
  name               = "acme-flows-machine-worker"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.flowyard_machine_worker_trust.json
}

resource "aws_iam_instance_profile" "flowyard_machine_worker" {
  name = "acme-flows-machine-worker"
  role = aws_iam_role.flowyard_machine_worker.name
}

data "aws_iam_policy_document" "flowyard_machine_worker" {
  statement {
    sid       = "KeepResults"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["arn:aws:s3:::acme-results/flows/*"]
  }

  statement {
    sid       = "SeeResults"
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws:s3:::acme-results"]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["flows/*"]
    }
  }
}

resource "aws_iam_policy" "flowyard_machine_worker" {
  name   = "acme-flows-machine-worker"
  policy = data.aws_iam_policy_document.flowyard_machine_worker.json
}

resource "aws_iam_role_policy_attachment" "flowyard_machine_worker" {
  role       = aws_iam_role.flowyard_machine_worker.name
  policy_arn = aws_iam_policy.flowyard_machine_worker.arn
}

# run: follows runs, and reads results.
data "aws_iam_policy_document" "flowyard_machine_run" {
  statement {
    sid       = "ReadResults"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::acme-results/flows/*"]
  }
}

resource "aws_iam_policy" "flowyard_machine_run" {
  name   = "acme-flows-machine-run"
  policy = data.aws_iam_policy_document.flowyard_machine_run.json
}
