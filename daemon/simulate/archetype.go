package simulate

// archetype is what somebody's habits are like.
type archetype int8

const (
	dev archetype = iota
	analyst
	admin
	secops
	ci
	cron
	autoscale
	poll
	app
	etl
	drift
	weekly
	sparse
	// awsService is a service principal of AWS itself: not one of the
	// identities that are asked for, and never the victim of an incident.
	awsService
)

var archetypeNames = []string{"dev", "analyst", "admin", "secops", "ci", "cron", "autoscale", "poll", "app", "etl", "drift", "weekly", "sparse", "service"}

// shares are the archetypes' shares of the identities, in per cent.
var shares = []int{dev: 34, analyst: 7, admin: 5, secops: 3, ci: 7, cron: 10, autoscale: 6, poll: 6, app: 9, etl: 5, drift: 3, weekly: 2, sparse: 3}

func (a archetype) String() string { return archetypeNames[a] }

// person reports whether the habits are those of a human.
func (a archetype) person() bool { return a <= secops }

// Archetypes returns the names of the archetypes that identities are of.
func Archetypes() []string { return append([]string(nil), archetypeNames[:awsService]...) }

func archetypeByName(s string) archetype {
	for i, n := range archetypeNames[:awsService] {
		if n == s {
			return archetype(i)
		}
	}
	return -1
}

// apportion returns how many of n identities are of each archetype, by the
// largest remainder.
func apportion(n int) []int {
	counts, rest := make([]int, len(shares)), make([]int, len(shares))
	left := n
	for i, s := range shares {
		counts[i], rest[i] = s*n/100, s*n%100
		left -= counts[i]
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rest {
			if rest[i] > rest[best] {
				best = i
			}
		}
		counts[best]++
		rest[best] = -1
	}
	return counts
}

// repertoire is what somebody calls: reading pages of a console, single reads
// and writes, with the more usual ones first.
type repertoire struct {
	pages         [][]apiID
	reads, writes []apiID
}

// repertoires holds what each archetype may do, and packs, which a service is
// newly used with. Individuals use a part of theirs.
var (
	repertoires [awsService + 1]repertoire
	packs       []repertoire
	enumeration []apiID
	abuse       []apiID
	// classOps holds the sensitive operations by class.
	classOps [classes][]apiID
)

func initRepertoires() {
	page := func(names string) []apiID { return ids(names) }
	ec2 := page("ec2:DescribeInstances ec2:DescribeInstanceStatus ec2:DescribeVolumes ec2:DescribeSecurityGroups ec2:DescribeTags ec2:DescribeAddresses ec2:DescribeVpcs ec2:DescribeSubnets ec2:DescribeKeyPairs ec2:DescribeAvailabilityZones monitoring:DescribeAlarms ec2:DescribeAccountAttributes")
	s3 := page("s3:ListBuckets s3:GetBucketLocation s3:GetBucketPolicyStatus s3:GetBucketPublicAccessBlock s3:GetBucketAcl s3:GetBucketVersioning s3:GetBucketEncryption s3:GetBucketTagging")
	lambda := page("lambda:ListFunctions20150331 lambda:GetFunction20150331v2 lambda:GetFunctionConfiguration20150331v2 lambda:GetPolicy20150331v2 lambda:ListVersionsByFunction20150331 lambda:ListEventSourceMappings20150331 lambda:ListTags20170331 logs:DescribeLogGroups")
	iam := page("iam:ListUsers iam:ListRoles iam:GetAccountSummary iam:ListPolicies iam:GetUser iam:ListAttachedUserPolicies iam:ListAccessKeys iam:GetAccessKeyLastUsed iam:ListMFADevices iam:GetLoginProfile iam:ListGroups")
	rds := page("rds:DescribeDBInstances rds:DescribeDBClusters rds:DescribeDBSnapshots rds:DescribeDBParameterGroups rds:ListTagsForResource monitoring:DescribeAlarms")
	watch := page("monitoring:DescribeAlarms monitoring:ListMetrics monitoring:ListDashboards monitoring:GetDashboard logs:DescribeLogGroups logs:DescribeLogStreams logs:StartQuery logs:GetQueryResults logs:GetQueryResults")
	ecs := page("ecs:ListClusters ecs:DescribeClusters ecs:ListServices ecs:DescribeServices ecs:ListTasks ecs:DescribeTasks ecs:DescribeTaskDefinition ecr:DescribeRepositories ecr:DescribeImages")
	eks := page("eks:ListClusters eks:DescribeCluster eks:DescribeNodegroup ec2:DescribeSubnets ec2:DescribeSecurityGroups iam:ListRoles")
	stack := page("cloudformation:DescribeStacks cloudformation:DescribeStackEvents cloudformation:ListStackResources cloudformation:GetTemplate")
	data := page("glue:GetDatabases glue:GetTables glue:GetTable glue:GetPartitions athena:ListWorkGroups athena:ListNamedQueries athena:GetQueryExecution athena:GetQueryResults")
	jobs := page("glue:GetJobRuns glue:GetJobRun states:ListExecutions states:DescribeExecution elasticmapreduce:DescribeCluster elasticmapreduce:ListSteps logs:DescribeLogStreams")
	cost := page("ce:GetCostAndUsage ce:GetCostForecast organizations:DescribeOrganization organizations:ListAccounts")
	sec := page("securityhub:GetFindings securityhub:GetEnabledStandards guardduty:ListDetectors guardduty:GetDetector guardduty:ListFindings guardduty:GetFindings cloudtrail:DescribeTrails cloudtrail:GetTrailStatus cloudtrail:LookupEvents config:DescribeConfigRules config:DescribeComplianceByConfigRule")
	dynamo := page("dynamodb:ListTables dynamodb:DescribeTable dynamodb:DescribeTimeToLive dynamodb:DescribeContinuousBackups")
	queues := page("sqs:ListQueues sqs:GetQueueAttributes sns:ListTopics sns:GetTopicAttributes events:ListRules events:DescribeRule")
	secret := page("secretsmanager:ListSecrets secretsmanager:DescribeSecret kms:ListKeys kms:ListAliases kms:DescribeKey kms:GetKeyPolicy")
	balance := page("elasticloadbalancing:DescribeLoadBalancers elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:DescribeTargetHealth autoscaling:DescribeAutoScalingGroups autoscaling:DescribeScalingActivities acm:ListCertificates acm:DescribeCertificate route53:ListHostedZones route53:ListResourceRecordSets cloudfront:ListDistributions cloudfront:GetDistribution")

	repertoires = [awsService + 1]repertoire{
		dev: {
			[][]apiID{ec2, lambda, watch, s3, ecs, stack, dynamo, queues, rds, secret, eks, balance},
			ids("sts:GetCallerIdentity ec2:DescribeInstances logs:DescribeLogStreams s3:ListBuckets cloudformation:DescribeStacks ssm:GetParameter ecs:DescribeServices ecr:GetAuthorizationToken lambda:GetFunction20150331v2 dynamodb:DescribeTable eks:DescribeCluster secretsmanager:GetSecretValue sqs:GetQueueAttributes ec2:DescribeImages"),
			ids("lambda:UpdateFunctionCode20150331v2 ec2:CreateTags ec2:StartInstances ec2:StopInstances ecs:UpdateService ecs:RegisterTaskDefinition cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet lambda:UpdateFunctionConfiguration20150331v2 ssm:StartSession ssm:PutParameter ec2:RunInstances ec2:TerminateInstances dynamodb:UpdateTable sqs:SetQueueAttributes events:PutRule events:PutTargets logs:CreateLogGroup s3:PutBucketTagging monitoring:PutMetricAlarm ec2:AuthorizeSecurityGroupIngress codebuild:StartBuild sqs:CreateQueue sns:Subscribe dynamodb:CreateTable ec2:RebootInstances lambda:CreateFunction20150331 sqs:DeleteQueue ecr:BatchDeleteImage cloudformation:DeleteStack lambda:DeleteFunction20150331"),
		},
		analyst: {
			[][]apiID{data, s3, jobs, watch, cost, dynamo},
			ids("athena:GetQueryExecution athena:GetQueryResults glue:GetTable glue:GetPartitions redshift-data:DescribeStatement s3:GetBucketLocation sts:GetCallerIdentity"),
			ids("athena:StartQueryExecution redshift-data:ExecuteStatement athena:CreateNamedQuery athena:StopQueryExecution glue:CreateTable glue:UpdateTable glue:StartJobRun glue:StartCrawler monitoring:PutDashboard states:StartExecution"),
		},
		admin: {
			[][]apiID{iam, ec2, cost, balance, rds, sec, secret, watch, s3, stack, eks},
			ids("sts:GetCallerIdentity iam:ListRoles iam:GetRole ec2:DescribeInstances ec2:DescribeVpcs ec2:DescribeRouteTables organizations:ListAccounts iam:GetPolicyVersion route53:ListResourceRecordSets ec2:DescribeNetworkInterfaces iam:ListAttachedRolePolicies s3:GetBucketPolicy"),
			ids("ec2:CreateTags ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupIngress route53:ChangeResourceRecordSets ec2:ModifyInstanceAttribute ec2:CreateSecurityGroup s3:CreateBucket ec2:CreateRoute ec2:CreateSubnet ec2:TerminateInstances ec2:RunInstances s3:PutBucketLifecycle autoscaling:UpdateAutoScalingGroup eks:UpdateNodegroupConfig ec2:CreateVpc ssm:SendCommand ec2:DeleteVolume s3:DeleteBucket ec2:AllocateAddress monitoring:PutMetricAlarm"),
		},
		secops: {
			[][]apiID{sec, iam, s3, secret, ec2, balance},
			ids("cloudtrail:LookupEvents iam:GetAccountAuthorizationDetails iam:ListAccessKeys config:DescribeComplianceByConfigRule guardduty:GetFindings securityhub:GetFindings ec2:DescribeSecurityGroups s3:GetBucketPolicy iam:SimulatePrincipalPolicy iam:GetAccountPasswordPolicy cloudtrail:GetEventSelectors config:DescribeConfigurationRecorderStatus"),
			ids("guardduty:ArchiveFindings config:StartConfigRulesEvaluation securityhub:CreateInsight ec2:CreateTags ec2:RevokeSecurityGroupIngress ec2:CreateSnapshot ssm:SendCommand"),
		},
		ci: {
			nil,
			ids("sts:GetCallerIdentity ecr:GetAuthorizationToken ecr:BatchCheckLayerAvailability ecs:DescribeServices cloudformation:DescribeStacks cloudformation:DescribeStackEvents cloudformation:DescribeChangeSet s3:GetBucketLocation ssm:GetParameters lambda:GetFunctionConfiguration20150331v2 ecr:DescribeImages sts:AssumeRole codebuild:BatchGetBuilds secretsmanager:GetSecretValue"),
			ids("ecr:InitiateLayerUpload ecr:CompleteLayerUpload ecr:PutImage ecs:RegisterTaskDefinition ecs:UpdateService lambda:UpdateFunctionCode20150331v2 cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet lambda:PublishVersion20150331 cloudfront:CreateInvalidation ssm:PutParameter codedeploy:CreateDeployment codebuild:StartBuild events:PutRule"),
		},
		cron: {
			nil,
			ids("ec2:DescribeVolumes ec2:DescribeSnapshots ec2:DescribeInstances ec2:DescribeImages tagging:GetResources rds:DescribeDBSnapshots backup:ListRecoveryPointsByBackupVault logs:DescribeLogGroups secretsmanager:DescribeSecret sts:GetCallerIdentity route53:ListResourceRecordSets s3:ListBuckets"),
			ids("ec2:CreateSnapshot ec2:DeleteSnapshot ec2:CreateTags backup:StartBackupJob tagging:TagResources ec2:StartInstances ec2:StopInstances ec2:DeregisterImage ec2:CreateImage route53:ChangeResourceRecordSets autoscaling:SetDesiredCapacity lambda:UpdateFunctionConfiguration20150331v2 ssm:SendCommand glue:StartCrawler s3:PutBucketLifecycle backup:DeleteRecoveryPoint"),
		},
		autoscale: {
			nil,
			ids("ec2:DescribeInstances ec2:DescribeInstanceStatus elasticloadbalancing:DescribeTargetHealth autoscaling:DescribeAutoScalingGroups ec2:DescribeLaunchTemplates ec2:DescribeSubnets eks:DescribeNodegroup ec2:DescribeSpotInstanceRequests"),
			ids("ec2:RunInstances ec2:CreateTags ec2:TerminateInstances elasticloadbalancing:RegisterTargets elasticloadbalancing:DeregisterTargets ec2:CreateFleet ec2:CreateNetworkInterface ec2:DeleteNetworkInterface autoscaling:SetDesiredCapacity ec2:AttachVolume ec2:CreateVolume application-autoscaling:RegisterScalableTarget"),
		},
		poll: {
			nil,
			ids("ec2:DescribeInstances monitoring:DescribeAlarms sqs:GetQueueAttributes rds:DescribeDBInstances elasticloadbalancing:DescribeTargetHealth ec2:DescribeInstanceStatus ecs:DescribeServices monitoring:ListMetrics lambda:ListFunctions20150331 dynamodb:DescribeTable tagging:GetResources ssm:DescribeInstanceInformation sqs:ListQueues autoscaling:DescribeAutoScalingGroups"), nil,
		},
		app: {
			nil,
			ids("kms:Decrypt secretsmanager:GetSecretValue sts:AssumeRole ssm:GetParameters kms:GenerateDataKey dynamodb:DescribeTable sqs:GetQueueAttributes sns:GetTopicAttributes states:DescribeExecution ecs:DescribeTasks"),
			ids("states:StartExecution logs:CreateLogStream ecs:RunTask sqs:CreateQueue sqs:SetQueueAttributes sns:Subscribe sns:CreateTopic ec2:CreateNetworkInterface ec2:DeleteNetworkInterface events:PutTargets events:PutRule dynamodb:UpdateTable ssm:SendCommand states:StopExecution sqs:DeleteQueue"),
		},
		etl: {
			nil,
			ids("glue:GetJobRun athena:GetQueryExecution glue:GetTables glue:GetPartitions redshift-data:DescribeStatement elasticmapreduce:DescribeCluster elasticmapreduce:ListSteps s3:GetBucketLocation kms:GenerateDataKey"),
			ids("glue:BatchCreatePartition athena:StartQueryExecution glue:StartJobRun redshift-data:ExecuteStatement elasticmapreduce:AddJobFlowSteps elasticmapreduce:RunJobFlow glue:StartCrawler glue:UpdateTable glue:CreateTable"),
		},
		drift: {
			nil,
			ids("kms:Decrypt sts:AssumeRole ssm:GetParameter states:DescribeExecution s3:GetBucketLocation sqs:GetQueueAttributes"),
			ids("states:StartExecution logs:CreateLogStream ec2:CreateTags glue:StartJobRun sqs:SetQueueAttributes ecs:RunTask"),
		},
		weekly: {
			nil,
			ids("cloudformation:DescribeStacks cloudformation:DescribeStackEvents ecs:DescribeServices ec2:DescribeInstances s3:GetBucketTagging monitoring:DescribeAlarms lambda:GetFunction20150331v2 sts:GetCallerIdentity"),
			ids("cloudformation:UpdateStack cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet lambda:UpdateFunctionCode20150331v2 ecs:RegisterTaskDefinition ecs:UpdateService ec2:CreateTags monitoring:PutMetricAlarm events:PutRule events:PutTargets s3:PutBucketTagging ssm:PutParameter codedeploy:CreateDeployment monitoring:PutDashboard logs:CreateLogGroup"),
		},
		sparse: {
			nil,
			ids("s3:ListBuckets sts:GetCallerIdentity ec2:DescribeInstances rds:DescribeDBInstances secretsmanager:GetSecretValue ec2:DescribeImages"),
			ids("ec2:StartInstances ec2:StopInstances ec2:CreateSnapshot s3:PutBucketTagging ec2:CreateImage"),
		},
		awsService: {nil, ids("sts:AssumeRole kms:Decrypt kms:GenerateDataKey ec2:DescribeInstances"), ids("ec2:CreateNetworkInterface ec2:RunInstances ec2:TerminateInstances logs:CreateLogStream")},
	}
	packs = []repertoire{
		{nil, ids("eks:DescribeCluster eks:DescribeNodegroup"), ids("eks:UpdateNodegroupConfig ec2:CreateFleet")},
		{nil, ids("athena:GetQueryExecution athena:GetQueryResults"), ids("athena:StartQueryExecution glue:BatchCreatePartition")},
		{nil, ids("codebuild:BatchGetBuilds acm:DescribeCertificate"), ids("codebuild:StartBuild cloudfront:CreateInvalidation")},
		{nil, ids("redshift-data:DescribeStatement"), ids("redshift-data:ExecuteStatement sns:CreateTopic")},
		{nil, ids("backup:DescribeBackupJob"), ids("backup:StartBackupJob tagging:TagResources")},
	}
	for c := range classOps {
		classOps[c] = classOf(class(c))
	}
	enumeration = ids("sts:GetCallerIdentity sts:GetSessionToken iam:ListUsers iam:ListRoles iam:ListGroups iam:ListPolicies iam:GetUser iam:GetAccountSummary iam:GetAccountAuthorizationDetails iam:ListAccessKeys iam:ListAttachedUserPolicies iam:ListAttachedRolePolicies iam:ListRolePolicies iam:GetPolicyVersion iam:ListInstanceProfiles iam:SimulatePrincipalPolicy iam:GetAccountPasswordPolicy s3:ListBuckets s3:GetBucketAcl s3:GetBucketPolicy ec2:DescribeInstances ec2:DescribeRegions ec2:DescribeSecurityGroups ec2:DescribeSnapshots ec2:DescribeKeyPairs ec2:GetPasswordData ec2:GetConsoleOutput secretsmanager:ListSecrets secretsmanager:GetSecretValue ssm:DescribeParameters ssm:GetParameters lambda:ListFunctions20150331 lambda:GetFunction20150331v2 rds:DescribeDBInstances rds:DescribeDBSnapshots kms:ListKeys dynamodb:ListTables cloudtrail:DescribeTrails cloudtrail:GetTrailStatus guardduty:ListDetectors organizations:DescribeOrganization organizations:ListAccounts eks:ListClusters ecr:DescribeRepositories ecs:ListClusters logs:DescribeLogGroups sqs:ListQueues sns:ListTopics glue:GetDatabases route53:ListHostedZones")
	abuse = ids("ec2:RunInstances iam:CreateAccessKey ec2:RunInstances ec2:CreateKeyPair ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupIngress ec2:RequestSpotInstances ec2:RunInstances iam:CreateUser ec2:DescribeRegions ec2:DescribeImages lambda:CreateFunction20150331 ecs:RunTask sts:GetCallerIdentity")
}
