<?php // Hands a picture in as a task and saves the result: php php.php http://127.0.0.1:8080 foto.jpg gris.jpg
[, $url, $picture, $result] = $argv;

function ask(string $url, array $options = []): array
{
    $context = stream_context_create(['http' => $options + ['ignore_errors' => true]]);
    $body = file_get_contents($url, false, $context);
    if ($body === false) {
        exit(1);
    }
    $fields = implode("\n", $http_response_header);
    preg_match('/^Retry-After: (\d+)/mi', $fields, $retry);
    return [(int) substr($fields, 9, 3), json_decode($body, true), (int) ($retry[1] ?? 0), $body];
}

$upload = ['method' => 'POST', 'header' => 'Content-Type: image/*', 'content' => file_get_contents($picture)];
while (([$status, $task, $seconds] = ask("$url/tareas?escala=0.5", $upload))[0] === 503) {
    sleep($seconds); // full, or just starting: it says when to come back
}
while (in_array($task['estado'] ?? '', ['Pendiente', 'En progreso'])) {
    [, $task] = ask("$url/estado/$task[id_tarea]?espera=60"); // answers when it has ended
}
if (($task['estado'] ?? '') !== 'Completada') {
    fwrite(STDERR, ($task['detalle'] ?? $task['detail']) . "\n");
    exit(1);
}
file_put_contents($result, ask($url . $task['imagen'])[3]);
