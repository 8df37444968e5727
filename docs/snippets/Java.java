// Hands a picture in as a task and saves the result: java Java.java http://127.0.0.1:8080 foto.jpg gris.jpg
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;
import java.util.regex.*;

class Java {
    static String member(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest.Builder to = HttpRequest.newBuilder(URI.create(args[0] + "/tareas?escala=0.5"));
        HttpRequest upload = to.POST(HttpRequest.BodyPublishers.ofFile(Path.of(args[1]))).build();
        HttpResponse<String> answer = client.send(upload, HttpResponse.BodyHandlers.ofString());
        while (answer.statusCode() == 503) { // full, or just starting: it says when to come back
            Thread.sleep(1000 * answer.headers().firstValueAsLong("Retry-After").orElse(1));
            answer = client.send(upload, HttpResponse.BodyHandlers.ofString());
        }
        while (member(answer.body(), "estado").matches("Pendiente|En progreso")) { // the answer comes when it has ended
            URI state = URI.create(args[0] + "/estado/" + member(answer.body(), "id_tarea") + "?espera=60");
            answer = client.send(HttpRequest.newBuilder(state).build(), HttpResponse.BodyHandlers.ofString());
        }
        if (!member(answer.body(), "estado").equals("Completada")) throw new Exception(answer.body());
        URI picture = URI.create(args[0] + member(answer.body(), "imagen"));
        client.send(HttpRequest.newBuilder(picture).build(), HttpResponse.BodyHandlers.ofFile(Path.of(args[2])));
    }
}
