// Times Porcupine (github.com/anishathalye/porcupine) on histories that come as JSON on standard input: an array of
// {"name", "model", "operations": [{"client", "function", "argument", "result", "known", "key", "call", "return"}]}.
// Says on standard output, for each: {"name", "verdict", "ns"}, the fastest of a few runs; "Unknown" if it took too long.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Client   int
	Function string
	Argument interface{}
	Result   interface{}
	Known    bool
	Key      string
	Call     int64
	Return   int64
}

type history struct {
	Name       string
	Model      string
	Operations []operation
}

type answer struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Ns      int64  `json:"ns"`
}

const (
	runsMax  = 20
	enoughNs = 200_000_000
	timeout  = 60 * time.Second
)

func register(state, input, output interface{}) (bool, interface{}) {
	asked := input.(operation)
	switch asked.Function {
	case "read":
		return !asked.Known || asked.Result == state, state
	case "write":
		return true, asked.Argument
	default:
		pair := asked.Argument.([2]interface{})
		if asked.Known {
			return pair[0] == state, pair[1]
		}
		if pair[0] == state {
			return true, pair[1]
		}
		return true, state
	}
}

func keyValue(state, input, output interface{}) (bool, interface{}) {
	asked := input.(operation)
	text := state.(string)
	switch asked.Function {
	case "get":
		return !asked.Known || asked.Result == text, state
	case "put":
		return true, asked.Argument
	default:
		return true, text + asked.Argument.(string)
	}
}

func byKey(operations []porcupine.Operation) [][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	var keys []string
	for _, each := range operations {
		key := each.Input.(operation).Key
		if _, seen := parts[key]; !seen {
			keys = append(keys, key)
		}
		parts[key] = append(parts[key], each)
	}
	var all [][]porcupine.Operation
	for _, key := range keys {
		all = append(all, parts[key])
	}
	return all
}

var models = map[string]porcupine.Model{
	"register":     {Init: func() interface{} { return nil }, Step: register},
	"cas-register": {Init: func() interface{} { return nil }, Step: register},
	"kv-append":    {Init: func() interface{} { return "" }, Step: keyValue, Partition: byKey},
}

func main() {
	var histories []history
	if err := json.NewDecoder(os.Stdin).Decode(&histories); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answers := []answer{}
	for _, each := range histories {
		var operations []porcupine.Operation
		for _, one := range each.Operations {
			if pair, isPair := one.Argument.([]interface{}); isPair {
				one.Argument = [2]interface{}{pair[0], pair[1]}
			}
			operations = append(operations, porcupine.Operation{ClientId: one.Client, Input: one, Call: one.Call, Return: one.Return})
		}
		model := models[each.Model]
		var best, spent int64
		var verdict porcupine.CheckResult
		for run := 0; run < runsMax && spent < enoughNs; run++ {
			began := time.Now()
			verdict = porcupine.CheckOperationsTimeout(model, operations, timeout)
			ns := time.Since(began).Nanoseconds()
			spent += ns
			if run == 0 || ns < best {
				best = ns
			}
		}
		answers = append(answers, answer{each.Name, string(verdict), best})
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		os.Exit(2)
	}
}
