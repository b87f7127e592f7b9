// HiveMQ Community Edition with an extension that lets every client in: without one it refuses all.
// Arguments: the folder of config.xml, and a folder for its data.

import com.hivemq.embedded.EmbeddedExtension;
import com.hivemq.embedded.EmbeddedHiveMQ;
import com.hivemq.extension.sdk.api.ExtensionMain;
import com.hivemq.extension.sdk.api.auth.SimpleAuthenticator;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartOutput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopOutput;
import com.hivemq.extension.sdk.api.services.Services;
import java.nio.file.Files;
import java.nio.file.Path;

public class Broker implements ExtensionMain {
    public static void main(String[] arguments) throws Exception {
        Path data = Path.of(arguments[1]);
        EmbeddedHiveMQ broker =
                EmbeddedHiveMQ.builder()
                        .withConfigurationFolder(Path.of(arguments[0]))
                        .withDataFolder(Files.createDirectories(data.resolve("data")))
                        .withExtensionsFolder(Files.createDirectories(data.resolve("extensions")))
                        .withEmbeddedExtension(
                                EmbeddedExtension.builder()
                                        .withId("everybody")
                                        .withName("everybody")
                                        .withVersion("1")
                                        .withExtensionMain(new Broker())
                                        .build())
                        .build();
        broker.start().join();
    }

    @Override
    public void extensionStart(ExtensionStartInput input, ExtensionStartOutput output) {
        SimpleAuthenticator everybody = (who, answer) -> answer.authenticateSuccessfully();
        Services.securityRegistry().setAuthenticatorProvider(provider -> everybody);
    }

    @Override
    public void extensionStop(ExtensionStopInput input, ExtensionStopOutput output) {}
}
