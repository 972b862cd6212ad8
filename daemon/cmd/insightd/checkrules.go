package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/rules"
	"github.com/insightd/insightd/rules/packs"
)

// shippedRules are the rules that packages of one's own may take out of use.
func shippedRules() *rules.Set {
	set, _ := rules.Load([]rules.Layer{packs.Layer()}, rules.Options{})
	return set
}

// addCheckRules adds "check rules" to the command "check".
func addCheckRules(check *kingpin.CmdClause, commands map[string]command) {
	cmd := check.Command("rules", "Check packages of rules; every error and warning is told with file, line, column and rule.")
	paths := cmd.Arg("path", "Packages, and folders with every .json, .yaml and .yml file below them.").Required().Strings()
	compatible := cmd.Flag("compatible", "Take everything for an error that json-rules-engine and IBM's packages do not have.").Bool()
	commands[cmd.FullCommand()] = func(_ context.Context, t *terminal) error {
		n, problems := rules.Check(*paths, rules.Options{Compatible: *compatible, Beside: shippedRules()})
		for _, p := range problems {
			fmt.Fprintln(t.err, p.Error())
		}
		bad := rules.Errors(problems)
		fmt.Fprintf(t.out, "rules: %d, errors: %d\n", n, bad)
		if bad > 0 {
			return errors.New("the rules have errors")
		}
		return nil
	}
}
