package plugin

import (
	"cmp"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// shadowed is what the daemon says of what rules found that are tried out.
const shadowed = "shadow"

// rulePart is one thing that a rule says about itself.
type rulePart struct{ part, text string }

// ruleParts are what the rule of an insight says, in the order in which a reader
// needs it; nothing where no rule raised it.
func ruleParts(i *record) []rulePart {
	r := i.Details.Rule
	if r == nil {
		return nil
	}
	version := r.Hash
	if r.Version != "" {
		version = r.Version + " (" + r.Hash + ")"
	}
	var group []string
	for _, v := range r.Group {
		group = append(group, v.Fact+" "+v.Value)
	}
	window := ""
	if r.WindowSeconds > 0 {
		window = (time.Duration(r.WindowSeconds) * time.Second).String()
	}
	var out []rulePart
	for _, p := range []rulePart{
		{"rule", ruleTitle(i)},
		{"description", r.Description},
	} {
		out = appendPart(out, p)
	}
	out = append(out, runbookParts(r)...)
	for _, p := range []rulePart{
		{"references", strings.Join(r.References, "\n")},
		{"counted by", strings.Join(group, ", ")},
		{"window", window},
		{"stage", ruleStage(i)},
		{"id", r.ID},
		{"package", r.Package},
		{"version", version},
	} {
		out = appendPart(out, p)
	}
	return out
}

func appendPart(out []rulePart, p rulePart) []rulePart {
	if p.text == "" {
		return out
	}
	return append(out, p)
}

// runbookParts are what a rule says to do, in the order in which it is done.
func runbookParts(r *insightd.Rule) []rulePart {
	b := &r.Runbook
	var out []rulePart
	for _, p := range []rulePart{
		{"what it means", b.What},
		{"how to check", b.Check},
		{"safest first step", b.Step},
		{"how to take it back", b.Rollback},
		{"when to escalate", b.Escalate},
	} {
		out = appendPart(out, p)
	}
	return out
}

// ruleTitle is how the rule of an insight is called, empty where no rule raised it.
func ruleTitle(i *record) string {
	if i.Details.Rule == nil {
		return ""
	}
	return cmp.Or(i.Details.Rule.Title, i.Details.Rule.ID)
}

// ruleStage is shadow where nobody is told what the rule finds, else active.
func ruleStage(i *record) string {
	switch {
	case i.Details.Rule == nil:
		return ""
	case i.Details.Suppressed == shadowed:
		return shadowed
	}
	return "active"
}

// runbook is the runbook of an insight's rule as one text.
func runbook(i *record) string {
	if i.Details.Rule == nil {
		return ""
	}
	var lines []string
	for _, p := range runbookParts(i.Details.Rule) {
		lines = append(lines, strings.ToUpper(p.part[:1])+p.part[1:]+": "+p.text)
	}
	return strings.Join(lines, "\n")
}

// ruleFrame is what the rule of an insight says, a row a part.
func ruleFrame(i *record) *data.Frame {
	rows := ruleParts(i)
	return table("rule",
		column("part", rows, func(p *rulePart) string { return p.part }),
		column("text", rows, func(p *rulePart) string { return p.text }),
	)
}
