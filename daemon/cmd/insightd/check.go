package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon/config"
)

func addCheck(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("check", "Check files without running anything.")
	addCheckRules(cmd, commands)
	conf := cmd.Command("config", "Check configuration files; every error is told with file, line and column.")
	files := conf.Arg("file", "Configuration files.").Required().Strings()
	commands[conf.FullCommand()] = func(_ context.Context, t *terminal) error {
		bad := 0
		for _, file := range *files {
			if _, err := config.Load(file); err != nil {
				bad++
				fmt.Fprintln(t.err, err)
				continue
			}
			fmt.Fprintf(t.out, "%s: ok\n", file)
		}
		fmt.Fprintf(t.out, "files: %d, errors: %d\n", len(*files), bad)
		if bad > 0 {
			return errors.New("the configuration has errors")
		}
		return nil
	}
}
