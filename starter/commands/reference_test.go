package commands

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// The reference page says what the commands say: go generate ./starter/commands.
func TestTheReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	const path = "../../docs/cli.md"
	want := reference(newRoot(&env{out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }}))
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, want == string(have), "docs/cli.md is not what the commands say; run: go generate ./starter/commands")
}

// Each command that can be typed is on the page.
func TestTheReferenceIsWhole(t *testing.T) {
	t.Parallel()
	root := newRoot(&env{out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }})
	page, n := reference(root), 0
	for _, cmd := range listed(root) {
		n++
		require.Contains(t, page, "\n## "+cmd.CommandPath()+"\n")
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
	}
	require.Greater(t, n, 50)
}

// reference is the page about all commands. Texts stand in code blocks as the help of
// each command has them, so that both read the same.
func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from the commands: go generate ./starter/commands -->
# Commands

After this page you know every command of ` + "`causeway`" + `, with its flags. ` + "`causeway <command> --help`" + ` says the same.
[operate.md](operate.md) says which command answers which question; the [glossary](glossary.md) says what a word means.

| Command | What it does |
|---|---|
`)
	commands := listed(root)
	for _, cmd := range commands {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), tabled(cmd.Short))
	}
	fmt.Fprintf(&b, "\n%s%s", fence(root.Long), flagTable("Flags of every command", root.PersistentFlags()))
	for _, cmd := range commands {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", cmd.CommandPath(), cmd.Short)
		if cmd.Runnable() {
			b.WriteString("\n" + fence(cmd.UseLine()))
		}
		if cmd.Long != "" {
			b.WriteString("\n" + fence(cmd.Long))
		}
		if cmd.Example != "" {
			b.WriteString("\nFor example:\n\n" + fence(unindented(cmd.Example)))
		}
		b.WriteString(flagTable("Flags", cmd.LocalNonPersistentFlags()))
	}
	return b.String()
}

// listed are the commands that help lists, each before those below it.
func listed(parent *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, cmd := range parent.Commands() {
		if cmd.IsAvailableCommand() {
			out = append(append(out, cmd), listed(cmd)...)
		}
	}
	return out
}

func fence(text string) string { return "```text\n" + strings.TrimSpace(text) + "\n```\n" }

func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// tabled is text in a table: words in angle brackets would be taken for HTML.
func tabled(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "\n", " ").Replace(text)
}

func flagTable(title string, flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if b.Len() == 0 {
			b.WriteString("\n| " + title + " | Meaning | Default |\n|---|---|---|\n")
		}
		value, meaning := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		given := f.DefValue
		if given == "false" || given == "[]" || given == "0s" {
			given = ""
		}
		if given != "" {
			given = "`" + given + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), tabled(meaning), given)
	})
	return b.String()
}
