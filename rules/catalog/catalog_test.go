package catalog

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLookup(t *testing.T) {
	c := Default()
	f := func(provider, service, operation, label string, tier int) {
		t.Helper()
		e, ok := c.Lookup(provider, service, operation)
		require.True(t, ok, "%s %s:%s", provider, service, operation)
		require.Equal(t, label, e.Label)
		require.Equal(t, strings.Fields(label), e.Classes)
		require.Equal(t, tier, e.Tier)
	}
	f("aws", "ec2.amazonaws.com", "RunInstances", "sensitive_first_use", 1)
	f("aws", "ec2", "RunInstances", "sensitive_first_use", 1)
	f("aws", "ec2.amazonaws.com.cn", "RunInstances", "sensitive_first_use", 1)
	f("aws", "cloudtrail.amazonaws.com", "StopLogging", "trail_concealment", 3)
	f("aws", "monitoring.amazonaws.com", "DeleteAlarms", "trail_concealment", 2)
	f("aws", "iam.amazonaws.com", "DeactivateMFADevice", "password_change", 3)

	// Several classes, the highest tier first.
	f("aws", "iam.amazonaws.com", "DeleteUser", "policy_change mass_deletion", 2)
	f("aws", "iam.amazonaws.com", "DeleteAccessKey", "password_change mass_deletion", 2)
	f("aws", "kms.amazonaws.com", "ScheduleKeyDeletion", "password_change mass_deletion", 2)

	// The same operation of other services.
	f("aws", "guardduty.amazonaws.com", "UpdateIPSet", "trail_concealment", 2)
	f("aws", "wafv2.amazonaws.com", "UpdateIPSet", "trail_concealment", 2)
	f("aws", "eks.amazonaws.com", "DeleteCluster", "mass_deletion", 1)
	f("aws", "ecr-public.amazonaws.com", "SetRepositoryPolicy", "policy_change", 2)
	f("aws", "dynamodb.amazonaws.com", "PutResourcePolicy", "policy_change", 2)

	// Dates behind the name.
	f("aws", "lambda.amazonaws.com", "CreateFunction20150331", "sensitive_first_use", 1)
	f("aws", "lambda.amazonaws.com", "AddPermission20150331v2", "policy_change", 2)

	// Azure has no case; exports write capitals and the directory full stops.
	f("azure", "", "Microsoft.Authorization/elevateAccess/action", "policy_change", 3)
	f("azure", "Microsoft.Authorization", "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", "policy_change", 2)
	f("azure", "", "User Password Reset", "password_change", 2)
	f("azure", "", "Add member to role.", "policy_change", 2)
	f("azure", "", "Update application – Certificates and secrets management ", "password_change", 2)

	// GCP: versions vary, and short names are the ends of long ones.
	f("gcp", "compute.googleapis.com", "beta.compute.instances.insert", "sensitive_first_use", 1)
	f("gcp", "compute.googleapis.com", "v1.compute.disks.delete", "mass_deletion", 1)
	f("gcp", "", "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion", "sensitive_first_use", 1)
	f("gcp", "", "google.iam.admin.v1beta1.DeleteServiceAccount", "policy_change mass_deletion", 2)
	f("gcp", "cloudresourcemanager.googleapis.com", "google.cloud.resourcemanager.v3.Projects.SetIamPolicy", "policy_change", 2)

	f("kubernetes", "rbac.authorization.k8s.io", "create clusterrolebindings", "policy_change", 2)
	f("kubernetes", "", "create pods/exec", "sensitive_first_use", 1)
	f("kubernetes", "", "impersonate users", "policy_change", 2)
	f("kubernetes", "", "get nodes/proxy", "sensitive_first_use", 1)
	f("kubernetes", "", "delete validatingwebhookconfigurations", "policy_change trail_concealment", 2)

	f("alibaba", "Ram", "CreateAccessKey", "password_change", 2)
	f("alibaba", "actiontrail.cn-hangzhou.aliyuncs.com", "StopLogging", "trail_concealment", 3)
	f("alibaba", "ecs-cn-hangzhou.aliyuncs.com", "RunInstances", "sensitive_first_use", 1)
	f("alibaba", "AasSub", "ChangePassword", "password_change", 2)

	f("ibm", "", "iam-groups.member.add", "policy_change", 2)
	f("ibm", "", "iam-groups.member.delete", "policy_change mass_deletion", 2)
	f("ibm", "", "kms.instance.delete", "mass_deletion", 1)
	f("ibm", "", "iam-access-management.policy-template.create", "policy_change", 2)
}

func TestLookupUnknown(t *testing.T) {
	c := Default()
	f := func(provider, service, operation string) {
		t.Helper()
		e, ok := c.Lookup(provider, service, operation)
		require.False(t, ok)
		require.Zero(t, e)
	}
	f("aws", "ec2.amazonaws.com", "DescribeVolumes")
	f("aws", "ec2.amazonaws.com", "runinstances")
	f("aws", "rds.amazonaws.com", "RunInstances")
	f("aws", "codecommit.amazonaws.com", "DeleteRepository")
	f("aws", "ec2.amazonaws.com", "")
	f("aws", "ec2.amazonaws.com", "20150331")
	f("aws", "cloudfront.amazonaws.com", "CreateFunction2020_05_31")
	f("AWS", "ec2.amazonaws.com", "RunInstances")
	f("", "", "")
	f("alibaba", "ramen", "CreateUser")
	f("gcp", "", "compute.instances.list")
	f("gcp", "", "v1.beta.")
	f("kubernetes", "", "get pods")
	f("ibm", "", "instance.delete")
	f("azure", "", strings.Repeat("x", maxName+1))
	f("azure", "", "")
}

func TestWithoutDate(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		require.Equal(t, want, withoutDate(in))
	}
	f("CreateFunction20150331", "CreateFunction")
	f("UpdateFunctionCode20150331v2", "UpdateFunctionCode")
	f("CreateDistribution2020_05_31", "CreateDistribution")
	f("CreateStorediSCSIVolume", "CreateStorediSCSIVolume")
	f("ListObjectsV2", "ListObjectsV2")
	f("Call1234567", "Call1234567")
	f("20150331v2", "20150331v2")
	f("v2", "v2")
	f("", "")
}

// referenceRow is one line of the list that the catalogue was made from.
type referenceRow struct {
	provider, operation, class string
	tier                       int
	conditional                bool
}

// notOperations are lines of the list that name no operation.
var notOperations = map[string]bool{
	"change of audit policy is not an API object (watch control-plane logging via cloud API: UpdateClusterConfig, diagnosticSettings, GKE logging)": true,
	"anonymous requests allowed":          true,
	"events flagged SensitiveAction=true": true,
}

// words spell out what the list says in words, for Kubernetes by verb and
// resource.
var words = map[string][]string{
	"verbs bind, escalate, impersonate":               {"bind clusterroles", "escalate roles", "impersonate groups"},
	"approve certificatesigningrequests":              {"approve certificatesigningrequests", "update certificatesigningrequests/approval"},
	"configmap kube-system/aws-auth change (EKS)":     {"create configmaps", "update configmaps", "patch configmaps", "delete configmaps"},
	"mutating/validatingwebhookconfigurations change": {"create mutatingwebhookconfigurations", "patch mutatingwebhookconfigurations", "update validatingwebhookconfigurations"},
	"delete|patch webhook configurations": {
		"delete mutatingwebhookconfigurations", "patch mutatingwebhookconfigurations",
		"delete validatingwebhookconfigurations", "patch validatingwebhookconfigurations",
	},
	"CoreDNS configmap change": {"update configmaps", "patch configmaps", "delete configmaps"},
	"nodes/proxy":              {"get nodes/proxy", "create nodes/proxy"},
	"selfsubjectaccessreviews, selfsubjectrulesreviews":             {"create selfsubjectaccessreviews", "create selfsubjectrulesreviews"},
	"pods with privileged, hostPath, hostPID, hostIPC, hostNetwork": {"create pods"},
	"NodePort services":                           {"create services", "update services", "patch services"},
	"Reset password»/«User password reset":        {"Reset password", "User password reset"},
	"*.key.{create,delete} (service credentials)": {"kms.key.create", "codeengine.key.delete"},
	"billing.account-mfa.set-on/set-off":          {"billing.account-mfa.set-on", "billing.account-mfa.set-off"},
	"Cloud Shell session create":                  {"cloudshell.server.create"},
	"UpdateLogStore(retention)":                   {"UpdateLogStore"},
	"DeleteInstance(s)":                           {"DeleteInstance", "DeleteInstances"},
	"DeleteObject(s)":                             {"DeleteObject", "DeleteObjects"},
	"root-account ConsoleSignin":                  {"ConsoleSignin"},
	"iam deletes above (package threshold > 100 in 30 min)": {
		"iam-am.policy.delete", "iam-groups.group.delete", "user-management.user.delete",
		"iam-groups.member.delete", "iam-groups.rule.delete", "iam-identity.account-profile.delete", "iam-identity.account-serviceid.delete",
	},
}

var braces = regexp.MustCompile(`^(.*)\{(.*)\}(.*)$`)

// expand returns the operations that a line of the list stands for.
func expand(provider, op string) []string {
	if ops, ok := words[op]; ok {
		return ops
	}
	if m := braces.FindStringSubmatch(op); m != nil {
		var ops []string
		for v := range strings.SplitSeq(m[2], ",") {
			ops = append(ops, strings.ReplaceAll(m[1]+v+m[3], "*", "any"))
		}
		return ops
	}
	if provider == "kubernetes" {
		// "create|update roles, clusterroles" is every verb with every resource.
		verbs, resources, _ := strings.Cut(op, " ")
		var ops []string
		for v := range strings.SplitSeq(verbs, "|") {
			for r := range strings.SplitSeq(resources, ", ") {
				ops = append(ops, v+" "+strings.TrimSuffix(r, "†"))
			}
		}
		return ops
	}
	return []string{strings.ReplaceAll(op, "*", "any")}
}

// Every line of the list that the catalogue was made from is in it.
func TestReference(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "reference", "operations.csv"))
	if os.IsNotExist(err) {
		t.Skip("the list of operations that the catalogue was made from is not here")
	}
	require.NoError(t, err)
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"provider", "service", "operation", "class", "support", "support_scope", "tier", "when"}, lines[0])

	c := Default()
	services := map[string][]string{}
	for _, e := range c.Entries() {
		services[e.Provider] = append(services[e.Provider], e.Service)
	}
	for p := range services {
		slices.Sort(services[p])
		services[p] = slices.Compact(services[p])
	}
	n := 0
	for _, l := range lines[1:] {
		tier, err := strconv.Atoi(l[6])
		require.NoError(t, err)
		r := referenceRow{provider: l[0], operation: l[2], class: l[3], tier: tier, conditional: l[7] != ""}
		if notOperations[r.operation] {
			continue
		}
		for _, op := range expand(r.provider, r.operation) {
			found := false
			for _, s := range services[r.provider] {
				e, ok := c.Lookup(r.provider, s, op)
				if !ok {
					continue
				}
				for _, p := range e.Parts {
					if p.Class == r.class {
						found = true
						require.GreaterOrEqual(t, p.Tier, r.tier, "%s %s", op, r.class)
						if r.conditional {
							require.NotNil(t, p.When, op)
						}
					}
				}
			}
			require.True(t, found, "%s %s of %q as %s", r.provider, op, r.operation, r.class)
			n++
		}
	}
	t.Logf("%d lines, %d operations and classes, %d entries", len(lines)-1, n, c.Len())
}

func TestEntries(t *testing.T) {
	all := Default().Entries()
	require.Len(t, all, Default().Len())
	seen := map[[3]string]bool{}
	for _, e := range all {
		k := [3]string{e.Provider, e.Service, e.Operation}
		require.False(t, seen[k], k)
		seen[k] = true
		require.NotEmpty(t, e.Parts, k)
		require.LessOrEqual(t, e.Tier, 3)
		require.Equal(t, e.Label == "", e.Tier == 0, k)
		// An entry is found under its own name.
		if !isPattern(e.Operation) {
			got, ok := Default().Lookup(e.Provider, e.Service, e.Operation)
			require.True(t, ok, k)
			require.Equal(t, e, got)
		}
	}
}

func TestMerge(t *testing.T) {
	own, err := Parse("own.csv", strings.NewReader(`provider,service,operation,class,tier
# Ours.
aws,billing.amazonaws.com,ModifyPaymentMethod,payment,3
aws,ec2,RunInstances,sensitive_first_use,0
aws,ec2,TerminateInstances,mass_deletion,3
`))
	require.NoError(t, err)
	c := Merge(Default(), own)

	e, ok := c.Lookup("aws", "billing.amazonaws.com", "ModifyPaymentMethod")
	require.True(t, ok)
	require.Equal(t, "payment", e.Label)

	e, ok = c.Lookup("aws", "ec2.amazonaws.com", "RunInstances")
	require.True(t, ok)
	require.Empty(t, e.Label)
	require.Zero(t, e.Tier)

	e, ok = c.Lookup("aws", "ec2.amazonaws.com", "TerminateInstances")
	require.True(t, ok)
	require.Equal(t, 3, e.Tier)

	require.NotEqual(t, Default().Version(), c.Version())
	require.Equal(t, Default().Version(), Merge(Default(), nil).Version())
	require.Equal(t, c.Version(), Merge(Default(), own, own).Version())
	require.Equal(t, Default().Len()+1, c.Len())
	e, _ = Default().Lookup("aws", "ec2.amazonaws.com", "TerminateInstances")
	require.Equal(t, 1, e.Tier, "merging leaves the default alone")
}

// What holds for a pattern or for any service holds for what is named too.
func TestAbsorb(t *testing.T) {
	c, err := Parse("t.csv", strings.NewReader(`provider,service,operation,class,tier
aws,,Put*,write,1
aws,,PutResourcePolicy,policy_change,2
aws,glue,PutResourcePolicy,glue,1
azure,,*/delete,deletion,1
azure,,Microsoft.Sql/*,database,2
gcp,,SetIamPolicy,policy_change,2
gcp,compute,compute.disks.setIamPolicy,disk,1
gcp,,disks.setIamPolicy,any_disk,3
`))
	require.NoError(t, err)
	f := func(provider, service, operation, label string) {
		t.Helper()
		e, ok := c.Lookup(provider, service, operation)
		require.True(t, ok)
		require.Equal(t, label, e.Label)
	}
	f("aws", "glue.amazonaws.com", "PutResourcePolicy", "policy_change glue write")
	f("aws", "ssm.amazonaws.com", "PutResourcePolicy", "policy_change write")
	f("aws", "ssm.amazonaws.com", "PutParameter", "write")
	f("azure", "", "MICROSOFT.COMPUTE/DISKS/DELETE", "deletion")
	f("azure", "", "Microsoft.SQL/servers/write", "database")
	f("gcp", "compute.googleapis.com", "v1.compute.disks.setIamPolicy", "any_disk disk")
	f("gcp", "x", "a.b.disks.setIamPolicy", "any_disk")
}

func TestParseErrors(t *testing.T) {
	const head = "provider,service,operation,class,tier,when,unchecked,otherwise\n"
	f := func(in, want string) {
		t.Helper()
		_, err := Parse("mine.csv", strings.NewReader(in))
		require.EqualError(t, err, want)
	}
	f("", "mine.csv:1: the file is empty, expected the line provider,service,operation,class,tier,when,unchecked,otherwise")
	f("# only a comment\n", "mine.csv:1: the file is empty, expected the line provider,service,operation,class,tier,when,unchecked,otherwise")
	f("\n# x\nprovider,operation\n", `mine.csv:3: the first line is "provider,operation", expected "provider,service,operation,class,tier,when,unchecked,otherwise"; the last three columns may be left out`)
	f(head+"aws,ec2,RunInstances,x\n", "mine.csv:2: found 4 columns, expected 8")
	f(head+"\n\naws,ec2,RunInstances,x,9,,,\n", `mine.csv:4: bad tier "9": a tier is 0 (harmless), 1, 2 or 3 (told always)`)
	f(head+"oracle,x,y,z,1,,,\n", `mine.csv:2: unknown provider "oracle": the known ones are aws, azure, alibaba, gcp, ibm, kubernetes`)
	f(head+"aws,x,,z,1,,,\n", "mine.csv:2: the operation is empty")
	f(head+"aws,x,*,z,1,,,\n", `mine.csv:2: bad operation "*": a pattern names more than everything`)
	f(head+"aws,x,a*b,z,1,,,\n", `mine.csv:2: bad operation "a*b": a * stands only at the beginning or the end`)
	f(head+"aws,x,a,Policy Change,1,,,\n", `mine.csv:2: bad class "Policy Change": a class is small letters, digits and underscores, such as policy_change`)
	f(head+"aws,x,a,z,1,,-,\n", "mine.csv:2: unchecked is set, but there is no condition in when")
	f(head+"aws,x,a,z,1,a.b is set,2,\n", `mine.csv:2: bad value "2" of unchecked: it is a tier up to the row's own, or -`)
	f(head+"aws,ec2.amazonaws.com,a,z,1,,,\naws,ec2,a,y,1,,,\naws,EC2,a,z,2,,,\n", "mine.csv:4: aws ec2:a is of class z in line 2 already")
	f(head+"aws,x,\"a,z,1,,,\n", `mine.csv:2: extraneous or missing " in quoted-field`)
	f(head+"aws,x,a,z,7,,,\naws,x,b,z,8,,,\n", `mine.csv:2: bad tier "7": a tier is 0 (harmless), 1, 2 or 3 (told always)`+"\n"+
		`mine.csv:3: bad tier "8": a tier is 0 (harmless), 1, 2 or 3 (told always)`)
	f(head+"aws,x,a\x01b,z,1,,,\n", `mine.csv:2: column operation: "a\x01b" holds characters that cannot be shown`)
}

func TestParseKeepsNothing(t *testing.T) {
	// Lines of several fields in quotes, a byte order mark and white space.
	c, err := Parse("q.csv", strings.NewReader("\ufeffprovider, service ,operation,class,tier,when\r\naws,\"ec2\",\"RunInstances\",x,2,\"a is set\nor b is set\"\r\n"))
	require.Error(t, err, "a line break in a condition")
	require.Nil(t, c)
	c, err = Parse("q.csv", strings.NewReader("\ufeffprovider, service ,operation,class,tier,when\r\naws, ec2 ,\"RunInstances\",x,2,\"a.b is \"\"x, y\"\"\"\r\n"))
	require.NoError(t, err)
	e, ok := c.Lookup("aws", "ec2.amazonaws.com", "RunInstances")
	require.True(t, ok)
	require.Equal(t, `a.b is "x, y"`, e.When)
}

func FuzzParse(f *testing.F) {
	f.Add("provider,service,operation,class,tier\naws,ec2,RunInstances,x,1\n", "aws", "ec2", "RunInstances")
	f.Add("provider,service,operation,class,tier,when,unchecked\nazure,,*/Delete,x,3,a.b is set,-\n", "azure", "", "A/DELETE")
	f.Add("provider,service,operation,class,tier\ngcp,,v1.a.b,x,1\ngcp,,b,y,2\n", "gcp", "", "beta.a.b")
	f.Fuzz(func(t *testing.T, file, provider, service, operation string) {
		c, err := Parse("f.csv", strings.NewReader(file))
		if err != nil {
			require.Nil(t, c)
			return
		}
		for _, e := range c.Entries() {
			require.NotEmpty(t, e.Parts)
			if isPattern(e.Operation) || e.Provider == "gcp" {
				continue
			}
			_, ok := c.Lookup(e.Provider, e.Service, e.Operation)
			require.True(t, ok, "%q", e.Operation)
		}
		if e, ok := c.Lookup(provider, service, operation); ok {
			require.Equal(t, provider, e.Provider)
		}
	})
}

func TestLookupDoesNotAllocate(t *testing.T) {
	c := Default()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.Lookup("aws", "ec2.amazonaws.com", "RunInstances")
		c.Lookup("aws", "lambda.amazonaws.com", "AddPermission20150331v2")
		c.Lookup("azure", "", "MICROSOFT.KUBERNETES/CONNECTEDCLUSTERS/RBAC.AUTHORIZATION.K8S.IO/CLUSTERROLEBINDINGS/WRITE")
		c.Lookup("gcp", "compute.googleapis.com", "beta.compute.instances.insert")
		c.Lookup("ibm", "", "kms.instance.delete")
	}))
}

func BenchmarkLookup(b *testing.B) {
	c := Default()
	f := func(name, provider, service, operation string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Lookup(provider, service, operation)
			}
		})
	}
	f("aws", "aws", "ec2.amazonaws.com", "RunInstances")
	f("aws-several", "aws", "wafv2.amazonaws.com", "UpdateIPSet")
	f("aws-unknown", "aws", "ec2.amazonaws.com", "DescribeVolumes")
	f("azure", "azure", "", "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE")
	f("gcp", "gcp", "compute.googleapis.com", "v1.compute.instances.insert")
	f("alibaba", "alibaba", "ecs.aliyuncs.com", "RunInstances")
	f("ibm", "ibm", "", "iam-groups.member.add")
	f("kubernetes", "kubernetes", "", "create pods/exec")
	f("kubernetes-unknown", "kubernetes", "", "get pods")
}
