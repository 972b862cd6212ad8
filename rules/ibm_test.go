package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ibmRule is a rule of the packages that IBM published for six services: which actions
// it is about, in which of the five shapes that these packages have.
type ibmRule struct {
	id, shape string
	actions   []string
	// code is the reason's that a rule which counts asks for (400), or leaves aside
	// (200); empty where it asks for none. More than more within mins minutes fire it.
	code string
	more int
	mins int
	// off says that IBM publishes it dormant.
	off bool
}

const (
	ibmAny        = "any"
	ibmCount      = "count"
	ibmWindow     = "window"
	ibmAllowed    = "allowed"
	ibmCoincident = "coincident"
)

// ibmPackages has a package for each of the services: App ID, Certificate Manager,
// Object Storage, IAM, Kubernetes and Key Protect.
var ibmPackages = map[string][]ibmRule{
	"AppID": {
		{id: "AppID security configuration", shape: ibmAny, actions: []string{"update.idpConfig"}},
		{id: "app-failed-login-attempts", shape: ibmCount, actions: []string{"appid.user.authentication"}, code: "400", more: 100, mins: 10},
		{id: "appid-delete-users", shape: ibmCount, actions: []string{"delete.cloudDirectoryUser", "delete.cloudDirectoryUsers"}, more: 100, mins: 30},
		{id: "appid service changes", shape: ibmAny, actions: []string{"appid.instance.create", "appid.key.delete", "appid.binding.delete"}},
	},
	"Cert": {
		{id: "notification channel", shape: ibmAny, actions: []string{"cloudcerts.notification-channel.update", "cloudcerts.notification-channel.set-off"}},
		{id: "certificate reimport ", shape: ibmCount, actions: []string{"cloudcerts.certificate.reimport"}, code: "200", more: 2, mins: 1440},
		{id: "certificate ccw", shape: ibmWindow, actions: []string{"cloudcerts.certificate.delete", "cloudcerts.certificate.download"}},
		{id: "certificate download", shape: ibmAllowed, actions: []string{"cloudcerts.certificate.download"}, off: true},
		{id: "certificate service", shape: ibmCount, actions: []string{"cloudcerts.instance.create", "cloudcerts.instance.delete"}, more: 2, mins: 1440},
	},
	"COS": {
		{id: "COS security configuration", shape: ibmAny, actions: []string{"cloud-object-storage.bucket-acl.create", "cloud-object-storage.bucket-cors.delete"}},
		{id: "bucket-create-delete", shape: ibmCount, actions: []string{"cloud-object-storage.bucket.create", "cloud-object-storage.bucket.delete"}, more: 1000, mins: 30},
		{id: "COS service changes", shape: ibmAny, actions: []string{"cloud-object-storage.instance.create", "cloud-object-storage.key.create"}},
	},
	"IAM": {
		{id: "iam security configuration", shape: ibmAny, actions: []string{"iam-groups.member.add", "iam-identity.user-apikey.create"}},
		{id: "account-failed-login-attempts", shape: ibmCount, actions: []string{"iam-identity.user-apikey.login", "iam-identity.serviceid-apikey.login"}, code: "400", more: 100, mins: 30},
		{id: "account-reads", shape: ibmCount, actions: []string{"iam-groups.member.read", "iam-groups.rule.read"}, more: 100, mins: 30},
		{id: "iam-delete-ccw", shape: ibmWindow, actions: []string{"iam-groups.group.delete", "iam-am.policy.delete"}},
		{id: "iam-delete-others", shape: ibmAllowed, actions: []string{"iam-groups.group.delete", "iam-am.policy.delete"}, off: true},
		{id: "coincident: rule read and delete", shape: ibmCoincident, actions: []string{"iam-groups.rule.read", "iam-groups.rule.delete"}, mins: 10, off: true},
	},
	"IKS": {
		{id: "IKS high risk API", shape: ibmAny, actions: []string{"containers-kubernetes.cluster.delete", "containers-kubernetes.service.bind"}},
		{id: "IKS logging change", shape: ibmAny, actions: []string{"containers-kubernetes.logging-config.delete"}},
		{id: "iks-indicative-api-threshold", shape: ibmCount, actions: []string{"containers-kubernetes.worker.reboot", "containers-kubernetes.worker.update"}, more: 10, mins: 30},
		{id: "iks-ccw", shape: ibmWindow, actions: []string{"containers-kubernetes.version.update"}},
		{id: "coincident: worker update, worker reboot", shape: ibmCoincident, actions: []string{"containers-kubernetes.worker.update", "containers-kubernetes.worker.reboot"}, mins: 30, off: true},
	},
	"KMS": {
		{id: "kms key deleted", shape: ibmAny, actions: []string{"kms.secrets.delete"}},
		{id: "kms-key-unwrap ccw", shape: ibmWindow, actions: []string{"kms.secrets.unwrap"}},
		{id: "kms-key-unwrap by others", shape: ibmAllowed, actions: []string{"kms.secrets.unwrap"}, off: true},
		{id: "KMS service changes", shape: ibmAny, actions: []string{"kms.instance.update", "kms.binding.create"}},
	},
}

// text writes the rule in IBM's form; dormant says whether it is out of use.
func (r *ibmRule) text(dormant bool) string {
	action := func(name string) string { return fmt.Sprintf(`{"fact":"action","operator":"equal","value":%q}`, name) }
	var named []string
	for _, a := range r.actions {
		named = append(named, action(a))
	}
	either := `{"any":[` + strings.Join(named, ",") + `]}`
	window := fmt.Sprintf(`{"fact":"withInLast","operator":"equal","value":"%d minutes"}`, r.mins)
	conditions, typ := either, ""
	switch r.shape {
	case ibmCount:
		parts := []string{either}
		switch r.code {
		case "400":
			parts = append(parts, `{"fact":"reason","operator":"equal","value":400,"path":".reasonCode"}`)
		case "200":
			parts = append(parts, `{"fact":"reason","operator":"notEqual","value":200,"path":".reasonCode"}`)
		}
		parts = append(parts, fmt.Sprintf(`{"fact":"occurrences","operator":"greaterThan","value":%d}`, r.more), window)
		conditions, typ = `{"all":[`+strings.Join(parts, ",")+`]}`, `,"type":"aggregate"`
	case ibmWindow:
		conditions = `{"all":[` + either + `,{"fact":"timeOfDay","operator":"equal","value":true,"params":{"dayStartTime":"1700","dayEndTime":"0800"}}]}`
	case ibmAllowed:
		conditions = `{"all":[` + either + `,{"fact":"initiator","path":".name","operator":"notIn","value":["one@example.com","two@example.com"]}]}`
	case ibmCoincident:
		var parts []string
		for _, n := range named {
			parts = append(parts, `{"all":[`+n+`,{"fact":"occurrences","operator":"equal","value":1}]}`)
		}
		conditions, typ = `{"all":[`+strings.Join(parts, ",")+`,`+window+`]}`, `,"type":"coincident"`
	}
	return fmt.Sprintf(`{"comment":"a rule","dormant":%t,"conditions":%s,"event":{"type":%q,"params":{"findingType":"found"}}%s}`, dormant, conditions, r.id, typ)
}

// events are those at which the rule fires for the first time with the last of them,
// and which it does not fire at where one of them is missing.
func (r *ibmRule) events() (out []*testFacts) {
	add := func(at time.Duration, action string) {
		raw := fmt.Sprintf(`{"action":%q,"initiator":{"name":"three@example.com"},"reason":{"reasonCode":400}}`, action)
		out = append(out, &testFacts{at: monday.Add(at), uid: fmt.Sprint("e", len(out)), raw: []byte(raw), fields: map[Field]Value{
			Provider: Text("ibm"), Account: Text("a1"), Operation: Text(action),
		}})
	}
	switch r.shape {
	case ibmCount:
		for i := range r.more + 1 {
			add(9*time.Hour+time.Duration(i)*time.Second, r.actions[i%len(r.actions)])
		}
	case ibmCoincident:
		for i := range r.actions { // In any order.
			add(9*time.Hour+time.Duration(i)*time.Minute, r.actions[len(r.actions)-1-i])
		}
	case ibmWindow:
		add(18*time.Hour, r.actions[0])
	default:
		add(9*time.Hour, r.actions[len(r.actions)-1])
	}
	return out
}

// TestIBMPackages says that packages in the form of the six that IBM published load
// unchanged, without an extension or a warning, and find what they are about.
func TestIBMPackages(t *testing.T) {
	require.Len(t, ibmPackages, 6)
	for name, list := range ibmPackages {
		t.Run(name, func(t *testing.T) {
			var as, all []string
			dormant := 0
			for i := range list {
				as, all = append(as, list[i].text(list[i].off)), append(all, list[i].text(false))
				if list[i].off {
					dormant++
				}
			}
			set, problems := Parse(name+".json", []byte("["+strings.Join(as, ",\n")+"]"), Options{Compatible: true})
			require.Empty(t, problems)
			require.Len(t, set.Rules(), len(list))
			require.Equal(t, len(list)-dormant, set.Active())

			set, problems = Parse(name+".json", []byte("["+strings.Join(all, ",\n")+"]"), Options{Compatible: true})
			require.Empty(t, problems)
			for i := range list {
				r := &list[i]
				fired := func(events []*testFacts) (at []string) {
					st := NewState(Limits{})
					for _, e := range events {
						for _, m := range set.Evaluate(st, e, nil) {
							if m.Rule.ID == strings.TrimSpace(r.id) && m.State == Fired {
								at = append(at, m.UID)
							}
						}
					}
					return at
				}
				events := r.events()
				require.Equal(t, []string{events[len(events)-1].uid}, fired(events), r.id)
				require.Empty(t, fired(events[1:]), r.id)
			}
		})
	}
}
