// Package docs holds the pages of the documentation, which the console shows.
package docs

import "embed"

// Pages are the pages, by their place below this folder.
//
//go:embed *.md decisions/*.md protocol/*.md runbooks/*.md
var Pages embed.FS
