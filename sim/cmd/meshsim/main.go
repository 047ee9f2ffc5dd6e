// Command meshsim simulates actor meshes: it runs a scenario under a seed, or
// live, and judges it by every invariant. `meshsim run` alone is a good start.
package main

import "os"

func main() { os.Exit(Execute(os.Args[1:], os.Stdout, os.Stderr)) }
