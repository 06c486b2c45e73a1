package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// processor is the name of the machine's CPU, where /proc tells.
func processor() string {
	name, _ := procLine("/proc/cpuinfo", "model name")
	if name == "" {
		return "unknown CPU"
	}
	return name
}

// memory is how much the machine has, in bytes; 0 where /proc does not tell.
func memory() int64 {
	text, _ := procLine("/proc/meminfo", "MemTotal")
	kb, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// procLine is the value of the first line with a name.
func procLine(path, name string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", lines.Err()
}
