package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// step is a command of the session as somebody types it, with a sentence before it.
type step struct {
	about, typed string
	until        *regexp.Regexp // asked again until its answer has this; nil: asked once
	sets         string         // shell commands that keep something for the next steps
}

var session = []step{
	{about: "Three flows have carried everything over, and wait for what comes next.",
		typed: "causeway status", until: regexp.MustCompile(`(?s)contacts +RUNNING.*egress +RUNNING.*optout +RUNNING`)},
	{about: "Somebody moves to Oslo, says Dynamics.",
		typed: "sandbox edit contact --set address1_city=Oslo", sets: `ID=$(awk 'NR == 1 {print $2}' <<<"$SAID")`},
	{about: "Seconds later Campaign knows. What happened to a record, and why:",
		typed: "causeway explain contacts $ID --live", until: regexp.MustCompile(`The mapping calls for +nothing`)},
	{about: "Now Campaign refuses a change, by a rule of its own …",
		typed: "sandbox fault add --service campaign --name refuse --body location.city --header contains=Bergen"},
	{typed: "sandbox edit contact $ID --set address1_city=Bergen"},
	{about: "… which stops nothing else. The record waits in quarantine, with the reason.",
		typed: "causeway quarantine list", until: regexp.MustCompile(`(?m)^contacts`)},
	{about: "The rule is taken away, and the record tried again.",
		typed: "sandbox fault clear"},
	{typed: "causeway quarantine release contacts --ids $ID --wait", sets: `RUN=$(grep -o -m1 'contacts-[0-9TZ.]*' <<<"$SAID")`},
	{about: "That was a run, and what a run has written can be undone.",
		typed: "causeway rollback $RUN --yes --wait"},
	{about: "Who asked for what:",
		typed: "causeway log"},
}

// arrivesWithin bounds how long a step waits for what it waits for.
const arrivesWithin = 2 * time.Minute

// record types the session and returns it as Markdown.
func record(ctx context.Context, r *running) (string, error) {
	state := filepath.Join(r.dir, "state")
	var out strings.Builder
	for _, s := range session {
		said, err := s.ask(ctx, r, state)
		if err != nil {
			return "", err
		}
		if s.about != "" {
			fmt.Fprintf(&out, "%s\n\n", s.about)
		}
		fmt.Fprintf(&out, "```text\n$ %s\n%s\n```\n\n", s.typed, strings.TrimRight(said, "\n"))
	}
	return out.String(), nil
}

// ask types a step until its answer is the one that is waited for.
func (s step) ask(ctx context.Context, r *running, state string) (string, error) {
	script := fmt.Sprintf("set -e\n[ ! -e %[1]s ] || . %[1]s\nSAID=$(%[2]s 2>&1)\nprintf '%%s\\n' \"$SAID\"\n%[3]s\necho \"ID=$ID RUN=$RUN\" >%[1]s\n", state, s.typed, s.sets)
	for deadline := time.Now().Add(arrivesWithin); ; {
		c := exec.CommandContext(ctx, "bash", "-c", script)
		c.Env = append(os.Environ(), "PATH="+filepath.Join(r.dir, "bin")+":"+os.Getenv("PATH"), "CAUSEWAY_CONFIG="+filepath.Join(r.dir, "causeway-data", "causeway.yaml"), "TZ=UTC")
		said, err := c.CombinedOutput()
		switch {
		case err == nil && (s.until == nil || s.until.Match(said)):
			return string(said), nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil && s.until == nil:
			return "", fmt.Errorf("%s: %w\n%s", s.typed, err, said)
		case time.Now().After(deadline):
			return "", fmt.Errorf("%s does not say %s within %s:\n%s", s.typed, s.until, arrivesWithin, said)
		}
	}
}

// The session stands between these lines of the page.
const sessionBegins, sessionEnds = "<!-- session: made by make screenshots -->\n\n", "<!-- end of session -->"

func keepSession(page, session string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), sessionBegins)
	_, after, ends := strings.Cut(rest, sessionEnds)
	if !begins || !ends {
		return fmt.Errorf("%s: the lines between which the session stands are not there", page)
	}
	return os.WriteFile(page, []byte(before+sessionBegins+session+sessionEnds+after), 0o644)
}
