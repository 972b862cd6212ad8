// Package packs holds the packages of rules that insightd ships: a folder for each
// provider, in it a package for each theme, and beside each package its tests.
// They are active from the first start, and a rule of one's own that has the same
// id takes the place of one of these.
//
// How they are written and why is in DESIGN.md beside this file.
package packs

import (
	"embed"

	"github.com/insightd/insightd/rules"
)

// Name is put before the names of the shipped files in problems and findings, so
// that they are told from files of one's own.
const Name = "shipped"

// files are the packages. The tests beside them are not needed at run time.
//
//go:embed */*.yml
var files embed.FS

// Layer returns the shipped packages. It goes before the folders of the
// configuration, whose rules take the place of these.
func Layer() rules.Layer { return rules.Layer{Name: Name, FS: files} }
