package simulate

import "strings"

// service is what the APIs of one AWS service share.
type service struct {
	source  string // eventSource.
	format  string // eventVersion: services move to a new one at their own pace.
	global  bool   // Its events are in us-east-1.
	version string // apiVersion, empty where CloudTrail gives none.
	denied  string
	missing string
}

func svc(name, version, denied, missing string) *service {
	format := []string{"1.09", "1.10", "1.11", "1.11"}[hashString(name)%4]
	return &service{source: name + ".amazonaws.com", format: format, version: version, denied: denied, missing: missing}
}

func globally(s *service) *service { s.global = true; return s }

var services = map[string]*service{
	"ec2":                     svc("ec2", "", "Client.UnauthorizedOperation", "Client.InvalidInstanceID.NotFound"),
	"s3":                      svc("s3", "", "AccessDenied", "NoSuchBucket"),
	"iam":                     globally(svc("iam", "", "AccessDenied", "NoSuchEntityException")),
	"sts":                     svc("sts", "", "AccessDenied", "ValidationError"),
	"signin":                  globally(svc("signin", "", "AccessDenied", "AccessDenied")),
	"lambda":                  svc("lambda", "", "AccessDenied", "ResourceNotFoundException"),
	"rds":                     svc("rds", "", "AccessDenied", "DBInstanceNotFoundFault"),
	"dynamodb":                svc("dynamodb", "2012-08-10", "AccessDenied", "ResourceNotFoundException"),
	"kms":                     svc("kms", "", "AccessDenied", "NotFoundException"),
	"secretsmanager":          svc("secretsmanager", "", "AccessDenied", "ResourceNotFoundException"),
	"ssm":                     svc("ssm", "", "AccessDenied", "ParameterNotFound"),
	"ecs":                     svc("ecs", "", "AccessDenied", "ClusterNotFoundException"),
	"ecr":                     svc("ecr", "", "AccessDenied", "RepositoryNotFoundException"),
	"eks":                     svc("eks", "", "AccessDenied", "ResourceNotFoundException"),
	"cloudformation":          svc("cloudformation", "", "AccessDenied", "ValidationException"),
	"monitoring":              svc("monitoring", "2010-08-01", "AccessDenied", "ResourceNotFoundException"),
	"logs":                    svc("logs", "20140328", "AccessDenied", "ResourceNotFoundException"),
	"events":                  svc("events", "", "AccessDenied", "ResourceNotFoundException"),
	"sqs":                     svc("sqs", "2012-11-05", "AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"),
	"sns":                     svc("sns", "2010-03-31", "AuthorizationError", "NotFoundException"),
	"states":                  svc("states", "", "AccessDenied", "StateMachineDoesNotExist"),
	"glue":                    svc("glue", "", "AccessDenied", "EntityNotFoundException"),
	"athena":                  svc("athena", "", "AccessDenied", "InvalidRequestException"),
	"redshift-data":           svc("redshift-data", "", "AccessDenied", "ResourceNotFoundException"),
	"elasticmapreduce":        svc("elasticmapreduce", "", "AccessDenied", "InvalidRequestException"),
	"elasticloadbalancing":    svc("elasticloadbalancing", "2015-12-01", "AccessDenied", "TargetGroupNotFoundException"),
	"autoscaling":             svc("autoscaling", "2011-01-01", "AccessDenied", "ValidationError"),
	"route53":                 globally(svc("route53", "2013-04-01", "AccessDenied", "NoSuchHostedZone")),
	"cloudfront":              globally(svc("cloudfront", "2020-05-31", "AccessDenied", "NoSuchDistribution")),
	"ce":                      globally(svc("ce", "", "AccessDeniedException", "DataUnavailableException")),
	"organizations":           globally(svc("organizations", "", "AccessDeniedException", "TargetNotFoundException")),
	"cloudtrail":              svc("cloudtrail", "", "AccessDenied", "TrailNotFoundException"),
	"config":                  svc("config", "", "AccessDenied", "NoSuchConfigRuleException"),
	"guardduty":               svc("guardduty", "", "AccessDenied", "BadRequestException"),
	"securityhub":             svc("securityhub", "", "AccessDenied", "ResourceNotFoundException"),
	"tagging":                 svc("tagging", "", "AccessDenied", "InvalidParameterException"),
	"backup":                  svc("backup", "", "AccessDeniedException", "ResourceNotFoundException"),
	"codebuild":               svc("codebuild", "", "AccessDenied", "ResourceNotFoundException"),
	"codedeploy":              svc("codedeploy", "2014-10-06", "AccessDenied", "ApplicationDoesNotExistException"),
	"acm":                     svc("acm", "", "AccessDenied", "ResourceNotFoundException"),
	"application-autoscaling": svc("autoscaling", "", "AccessDenied", "ObjectNotFoundException"),
}

// class is what kind of sensitive operation an API is.
type class uint8

const (
	plain class = iota
	policy
	password
	trail
	destructive
	classes
)

type apiID uint16

// api is one operation of the catalogue.
type api struct {
	id      apiID
	service *service
	name    string
	read    bool
	class   class
	// resources, where the service names what was acted on.
	req, resp, resources template
	// qualified is source:name, as labels have it.
	qualified string
	// action is service:Name as IAM spells it in error messages.
	action string
}

var (
	catalog []api
	apiByID = map[string]apiID{}
)

// id returns the number of an API that is written "service:Name". It panics on
// one that the catalogue lacks, when the package is loaded.
func id(name string) apiID {
	i, ok := apiByID[name]
	if !ok {
		panic("simulate: the catalogue has no " + name)
	}
	return i
}

func ids(names string) []apiID {
	var out []apiID
	for n := range strings.FieldsSeq(names) {
		out = append(out, id(n))
	}
	return out
}

// classOf returns every API of a class.
func classOf(c class) []apiID {
	var out []apiID
	for i := range catalog {
		if catalog[i].class == c {
			out = append(out, catalog[i].id)
		}
	}
	return out
}

var instanceTypes = []string{"t3.micro", "t3.medium", "m6i.large", "m6i.xlarge", "c6g.2xlarge", "r6g.large", "m7g.4xlarge", "g5.xlarge"}

func add(name string, read bool, c class, req, resp string) {
	s, op, _ := strings.Cut(name, ":")
	sv := services[s]
	if sv == nil {
		panic("simulate: no service " + s)
	}
	if _, ok := apiByID[name]; ok {
		panic("simulate: the catalogue has twice " + name)
	}
	action := op
	if i := strings.IndexAny(action, "0123456789"); i > 0 && s == "lambda" {
		action = action[:i]
	}
	a := api{
		id: apiID(len(catalog)), service: sv, name: op, read: read, class: c,
		req: compile(req), resp: compile(resp),
		qualified: sv.source + ":" + op, action: strings.TrimSuffix(s, "-data") + ":" + action,
	}
	apiByID[name] = a.id
	catalog = append(catalog, a)
}

func init() {
	for _, r := range readTable {
		add(r[0], true, plain, r[1], "")
	}
	for _, r := range responses {
		catalog[id(r[0])].resp = compile(r[1])
	}
	for _, r := range resourceTable {
		catalog[id(r[0])].resources = compile(r[1])
	}
	for _, w := range writeTable {
		add(w.name, false, w.class, w.req, w.resp)
	}
	initRepertoires()
}
