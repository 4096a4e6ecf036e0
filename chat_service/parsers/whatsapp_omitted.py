"""What WhatsApp writes in place of media that it left out of an export, by language. Data only.

Compared without regard to case, to a full stop at the end and to angle brackets around the whole.
Where two languages say the same it stands once.
"""

from chat_service.parsers.model import MessageKind


def _listed(text: str) -> tuple[str, ...]:
    """The phrases of a text: one a line, or several with a bar between them."""
    return tuple(phrase.strip() for line in text.splitlines() for phrase in line.split("|") if phrase.strip())


# Android leaves media out without saying what they were.
MEDIA_OMITTED = _listed(
    """
    Media omitted | Medien ausgeschlossen | Medien weggelassen | Multimedia omitido | Archivo omitido
    Médias omis | Fichier omis | Media omessi | Media omesso | Mídia oculta | Mídia omitida
    Arquivo de mídia oculto | Ficheiro não revelado | Media weggelaten | Без медиафайлов | Файл пропущен
    Медіа пропущено | pominięto multimedia | pliki pominięto | Medya dahil edilmedi | Medya atlanmış
    Média vynechány | Média vynechána | Médiá vynechané | मीडिया के बिना | Media tidak disertakan
    メディアなし | メディアは含まれていません | 미디어 파일 제외됨 | 미디어 파일을 생략한 대화내용
    ไฟล์สื่อถูกลบ | สื่อถูกลบ | Bỏ qua tệp phương tiện | Bỏ qua Media | تم استبعاد الوسائط
    המדיה לא נכללה | מדיה הושמטה | 省略多媒体文件 | 忽略多媒體檔 | media weggelaat
    media buraxıldı | Media çıxarılmışdır | Без файл | মিডিয়া বাদ দেওয়া হয়েছে
    fitxers multimèdia omesos | Mitjans omesos | medier udeladt | Mediefil udeladt | αρχείο παραλήφθηκε
    Εξαίρεση πολυμέσων | meedia välja jäetud | Meedia ära jäetud | رسانه حذف شد | پيوست نما/آهنگ حذف شد
    media jätettiin pois | Media jätetty pois | મિડિયા છોડી મૂકાયું | મીડિયા અવગણાયું
    medijski zapis izostavljen | média elhagyva | Hiányzó médiafájl | файлдар қосылмаған
    Файл қосылған жоқ | ಮಾಧ್ಯಮ ಕೈಬಿಡಲಾಗಿದೆ | ಮೀಡಿಯಾ ಕೈಬಿಡಲಾಗಿದೆ | ບໍ່ລວມມີເດຍ | medija praleista
    Praleistas medijos turinys | nav iekļauta multivide | Bez multivides | без фајлови | Без фајл
    മീഡിയ ഒഴിവാക്കി | मीडिया वगळण्यात आला | मीडिया वगळले | media dikecualikan | Media disingkirkan
    media utelatt | Uten vedlegg | ਮੀਡੀਆ ਛੱਡਿਆ | ਮੀਡੀਆ ਛੱਡਿਆ ਗਿਆ | conținut media omis | datoteke izpuščene
    Medij izpuščen | media u hoq | Media hequr | медији су изостављени | media utelämnat
    Media har utelämnats | media hazijajumuishwa | Media imerukwa | கோப்புகள் விடப்பட்டன
    ஊடகங்கள் நீக்கப்பட்டது | మీడియా విస్మరించబడింది | మాధ్యమం విస్మరించబడింది | inalis ang media
    Walang kalakip na media | میڈیا چھوڑ دیا گیا | میڈیا ہٹا دیا گیا | fayl o‘tkazib yuborildi
    """
)

# iOS says which kind it was, and Android too for some.
OMITTED: dict[MessageKind, tuple[str, ...]] = {
    MessageKind.IMAGE: _listed(
        """
        image omitted | Bild weggelassen | imagen omitida | image absente | immagine omessa
        imagem ocultada | imagem omitida | imagem não revelada | afbeelding weggelaten
        изображение отсутствует | зображення відсутнє | התמונה הושמטה | εικόνα παραλείφθηκε
        لم يتم إدراج الصورة | ইমেজ বাদ দেওয়া হয়েছে | 圖片已略去 | 圖像已省略 | 照片已忽略 | 图像已忽略
        đã bỏ qua hình ảnh | تصویر نکال دی گئی ہے | görüntü dahil edilmedi | ไม่มีรูปภาพ | bild utesluten
        obrázok vynechaný | obraz pominięty | imagine omisă | bilde ikke inkludert | imej tidak dimasukkan
        इमेज वगळली | 이미지 생략됨 | 画像は含まれていません
        画像を省略 | kép küldése sikertelen | kép kihagyva
        gambar tidak disertakan | slika izostavljena | फ़ोटो हटाई गई | છબી પડતી મૂકાઈ | íomhá ligthe ar lár
        ei kuvaa | تصویر حذف شد | billede udeladt | obrázek vynechán | imatge omesa
        """
    ),
    MessageKind.VIDEO: _listed(
        """
        video omitted | video note omitted | video message omitted | Video weggelassen
        Videonachricht weggelassen | video omitido | vidéo absente | video omesso | vídeo omitido
        vídeo não revelado | video weggelaten | видео отсутствует | відео відсутнє | סרטון הווידאו הושמט
        βίντεο παραλείφθηκε | لم يتم إدراج الفيديوهات | ভিডিও বাদ দেওয়া হয়েছে | 影片已略去 | 影片已省略
        视频已忽略 | đã bỏ video | đã bỏ qua video | ویڈیو نظرانداز | video dahil edilmedi | วิดีโอถูกลบ
        video utesluten | video vynechané | wideo pominięte | clip video omis | video utelatt
        video tidak dimasukkan | व्हिडीओ वगळला | 비디오 생략됨
        동영상 생략됨 | ビデオは含まれていません | 動画を省略
        videó kihagyva | video tidak disertakan | video izostavljen | वीडियो छोड़ा गया | વિડિયો પડતી મુકાઈ
        físeán ligthe ar lár | videota ei sisällytetä | ویدیو حذف شد | video udeladt | video vynecháno
        vídeo omès | nota de video omitida | note vidéo absente | videonotitie weggelaten
        """
    ),
    MessageKind.AUDIO: _listed(
        """
        audio omitted | voice message omitted | Audio weggelassen | audio omitido | audio omis | audio omesso
        áudio ocultado | áudio omitido | ficheiro de áudio não revelado | audio weggelaten
        аудиофайл отсутствует | аудио отсутствует | аудіо відсутнє | קטע קול הושמט | ήχος παραλείφθηκε
        لم يتم إدراج المقاطع الصوتية | অডিও বাদ দেওয়া হয়েছে | 音訊已略去 | 音訊已省略 | 音频已忽略
        bỏ qua tệp âm thanh | آڈیو نظرانداز | ses dahil edilmedi | ไม่มีไฟล์เสียง | ljud utelslutet
        ljud uteslutet | zvuk vynechaný | audio pominięte | fără audio | lyd utelatt
        audio tidak dimasukkan | ऑडिओ वगळला | 오디오 생략됨 | 音声は含まれていません | 音声を省略
        hang kihagyása | hang kihagyva | audio tidak disertakan | zvuk izostavljen | ऑडियो हटाई गयी
        ઓડિયો ફાઇલ શામેલ કરી નથી | comhad fuaime ar lár | äänitiedostoa ei sisällytetä | صدا حذف شد
        lyd udeladt | zvukový soubor vynechán | àudio omès
        """
    ),
    MessageKind.STICKER: _listed(
        """
        sticker omitted | Sticker weggelassen | sticker omitido | sticker omis | sticker non incluso
        figurinha omitida | sticker não revelado | sticker weggelaten | стикер не добавлен
        наклейку не додано | סטיקר הושמט | αυτοκόλλητο παραλήφθηκε | تم حذف الملصقات
        স্টিকার বাদ দেওয়া হয়েছে | 貼圖已略去 | 貼圖已忽略 | 贴图已省略 | đã bỏ sticker | đã bỏ qua nhãn dán
        اسٹیکر نظرانداز | çıkartma dahil edilmedi | ไม่มีสติกเกอร์ | sticker utesluten | nálepka vynechaná
        pominięto naklejkę | klistremerke utelatt | pelekat tidak disertakan | स्टिकर वगळले | 스티커 제외됨
        スタンプは含まれていません | スタンプを省略 | matrica kihagyva | stiker tidak disertakan
        naljepnica izostavljena | स्टिकर छोड़ा गया | સ્ટીકર પડતું મુકાયું | fágadh an greamán ar lár
        tarraa ei sisällytetty | استیکر حذف شد | klistermærke udeladt | nálepka vynechána | adhesiu omès
        """
    ),
    MessageKind.GIF: _listed(
        """
        GIF omitted | GIF weggelassen | GIF omitido | GIF retiré | GIF esclusa | GIF não revelada
        GIF weggelaten | GIF отсутствует | GIF-анімацію пропущено | GIF הושמט | παράληψη GIF
        لم يتم إدراج صورة GIF | জিআইএফ বাদ দেওয়া হয়েছে | GIF 已略去 | GIF 圖片已被省略 | GIF 动态图已被忽略
        đã bỏ qua ảnh GIF | GIF نظرانداز | GIF  نظرانداز | GIF dahil edilmedi | ละเว้น GIF | GIF utesluten
        GIF vynechaný | plik GIF pominięty | GIF omis | GIF utelatt | GIF tidak dimasukkan | GIF वगळले
        GIF 생략됨 | GIFは含まれていません | GIFを省略 | GIF fájl kihagyása | GIF tidak disertakan
        GIF izostavljen | GIF छोड़ा गया | GIF પડતી મૂકાઈ | GIF ligthe ar lár | GIF-animaatio jätetty pois
        GIF حذف شد | GIF udeladt | GIF vynechán | GIF omès
        """
    ),
    MessageKind.DOCUMENT: _listed(
        """
        document omitted | Dokument weggelassen | documento omitido | document manquant | documento omesso
        documento não revelado | document weggelaten | документ отсутствует | документ пропущено
        מסמך הושמט | έγγραφο παραλείφθηκε | لم يتم إدراج المستند | ডকুমেন্ট বাদ দেওয়া হয়েছে | 文件已略去
        文件已忽略 | 文档已省略 | đã bỏ qua tài liệu | دستاویز نظرانداز | belge dahil edilmedi | ละเว้นเอกสาร
        dokument uteslutet | dokument vynechaný | dokument pominięty | document omis | utelatt dokument
        dokumen tidak dimasukkan | डॉक्युमेंट वगळले | 문서 생략됨 | ドキュメントは含まれていません
        ドキュメントを省略 | dokumentum kihagyva | dokumen tidak disertakan | dokument izostavljen
        डॉक्यूमेंट छोड़ा गया | ડોક્યુમેન્ટ સામેલ કર્યું નહિ | cáipéis ligthe ar lár
        dokumenttia ei sisällytetä | سند حذف شد | dokument udeladt | dokument vynechán | document omès
        """
    ),
    MessageKind.CONTACT: _listed(
        """
        Contact card omitted | Kontaktkarte ausgelassen | Kontaktkarte weggelassen
        Tarjeta de contacto omitida | Fiche contact manquante | Scheda contatto omessa
        Cartão do contato omitido | Contacto não revelado | Visitekaartje weggelaten
        Карточка контакта отсутствует | Картка контакту відсутня | כרטיס איש קשר הושמט
        Η κάρτα επαφής παραλήφθηκε | لم يتم إدراج بطاقة جهة اتصال | পরিচিতির কার্ড বাদ দেওয়া হয়েছে
        聯絡人卡片已略去 | 聯絡人卡片已省略 | 联系人卡片已忽略 | bỏ qua thẻ liên lạc | رابطہ کارڈ نظر انداز
        kişi kartı dahil edilmedi | บัตรรายชื่อที่ละเว้น | kontaktkort uteslutet | karta kontaktu vynechaná
        pominięta wizytówka kontaktu | carte de vizită contact omisă | kontaktkort sløyfet
        kad kenalan tidak dimasukkan | संपर्क कार्ड वगळले | 연락처 카드 생략됨 | 連絡先カードを省略
        névjegykártya kihagyva | kartu kontak tidak disertakan | posjetnica izostavljena
        कॉन्टैक्ट कार्ड छोड़ा गया | સંપર્કનું કાર્ડ પડતું મૂકાયું | cárta teagmhála ar lár
        yhteystietokortti jätettiin pois | برگ مخاطب حذف شد | kontaktkort udeladt | vizitka vynechána
        targeta de contacte omesa
        """
    ),
    MessageKind.OTHER: _listed(
        """
        View once message omitted | View once photo omitted | View once video omitted
        View once voice message omitted | Event omitted
        """
    ),
}
