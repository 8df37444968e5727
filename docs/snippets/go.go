// Hands a picture in as a task and saves the result: go run go.go http://127.0.0.1:8080 foto.jpg gris.jpg
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	url, picture, result := os.Args[1], must(os.ReadFile(os.Args[2])), os.Args[3]
	var task struct{ Id_tarea, Estado, Imagen, Detalle, Detail string }
	answer := must(http.Post(url+"/tareas?escala=0.5", "image/*", bytes.NewReader(picture)))
	for answer.StatusCode == 503 { // full, or just starting: it says when to come back
		time.Sleep(time.Duration(must(strconv.Atoi(answer.Header.Get("Retry-After")))) * time.Second)
		answer = must(http.Post(url+"/tareas?escala=0.5", "image/*", bytes.NewReader(picture)))
	}
	must(0, json.NewDecoder(answer.Body).Decode(&task))
	for task.Estado == "Pendiente" || task.Estado == "En progreso" { // the answer comes when it has ended
		answer = must(http.Get(url + "/estado/" + task.Id_tarea + "?espera=60"))
		must(0, json.NewDecoder(answer.Body).Decode(&task))
	}
	if task.Estado != "Completada" {
		log.Fatal(task.Detail, task.Detalle)
	}
	must(0, os.WriteFile(result, must(io.ReadAll(must(http.Get(url+task.Imagen)).Body)), 0o644))
}
